public import ServiceModel

/// Something in a definition that a backend does not do.
public struct BackendLimit: Hashable, Sendable {
    /// Whether the definition is refused, because doing it in another way would surprise; else it is a warning.
    public let isRefused: Bool
    /// One sentence with the way out.
    public let message: String

    public init(isRefused: Bool, message: String) {
        self.isRefused = isRefused
        self.message = message
    }

    /// What no service of a backend gets that has only these schedulers, and what needs a process that stays.
    public static func common(_ service: Service, _ schedulers: [Scheduler], backend: String) -> [BackendLimit] {
        var limits: [BackendLimit] = []
        if !schedulers.contains(service.scheduler) {
            let names = schedulers.map(\.rawValue).joined(separator: ", ")
            limits.append(
                BackendLimit(
                    isRefused: true,
                    message: "scheduler \(service.scheduler.rawValue) is not available with --backend \(backend), "
                        + "which has: \(names)"))
        }
        if service.virtualServer != VirtualServerSettings(), backend != "ipvs" {
            limits.append(
                BackendLimit(
                    isRefused: true,
                    message: "schedulerFlags, onePacket and forwardingMethod are for --backend ipvs alone"))
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
