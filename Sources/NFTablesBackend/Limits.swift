public import ServiceModel

/// Something in a definition that this backend does not do.
public struct BackendLimit: Hashable, Sendable {
    /// Whether the definition is refused, because doing it in another way would surprise; else it is a warning.
    public let isRefused: Bool
    /// One sentence with the way out.
    public let message: String
}

extension NFTablesBackend {
    /// The ways to choose an endpoint that this backend has.
    public static let schedulers: [Scheduler] = [.random, .roundRobin, .sourceHash, .maglev]

    /// What of a service this backend does not do.
    public static func limits(of service: Service) -> [BackendLimit] {
        var limits: [BackendLimit] = []
        if !schedulers.contains(service.scheduler) {
            let names = schedulers.map(\.rawValue).joined(separator: ", ")
            limits.append(
                BackendLimit(
                    isRefused: true,
                    message: "scheduler \(service.scheduler.rawValue) is not available with --backend nftables, "
                        + "which has: \(names)"))
        }
        if service.healthCheckNodePort != nil {
            limits.append(
                BackendLimit(
                    isRefused: false,
                    message: "the health-check node port is answered by svcctl agent alone: after apply, a load "
                        + "balancer finds no healthy node"))
        }
        return limits
    }
}
