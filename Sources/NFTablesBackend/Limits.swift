public import Dataplane
public import ServiceModel

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
