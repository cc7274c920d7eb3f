/// What a service can ask of IPVS beyond a scheduler, for those who come from keepalived or ipvsadm.
public struct VirtualServerSettings: Hashable, Sendable {
    /// Variants of the scheduler.
    public var schedulerFlags: SchedulerFlags = []
    /// Whether each datagram is scheduled by itself, without a connection (`ipvsadm --ops`). UDP only.
    public var isOnePacket = false
    public var forwardingMethod = ForwardingMethod.masquerade

    public init(
        schedulerFlags: SchedulerFlags = [], isOnePacket: Bool = false,
        forwardingMethod: ForwardingMethod = .masquerade
    ) {
        self.schedulerFlags = schedulerFlags
        self.isOnePacket = isOnePacket
        self.forwardingMethod = forwardingMethod
    }
}

/// Variants of the schedulers `sh` and `mh`, the kernel's flags 1 and 2 of a virtual server (linux/ip_vs.h:
/// `IP_VS_SVC_F_SCHED_SH_FALLBACK`, `IP_VS_SVC_F_SCHED_MH_FALLBACK` and so on).
public struct SchedulerFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Where a client's real server takes no connections, the next one is asked, instead of a refusal.
    public static let fallback = SchedulerFlags(rawValue: 1)
    /// The source port counts too, so that a client's connections are spread.
    public static let port = SchedulerFlags(rawValue: 2)
}

/// How a packet comes to its endpoint.
public enum ForwardingMethod: String, Hashable, Sendable, CaseIterable {
    /// The destination address is translated; answers come back through this node.
    case masquerade
    /// The packet is sent as it is, on a network that both are on; the endpoint has the service's address too, and
    /// answers the client itself.
    case direct
    /// The same inside of an IP packet to the endpoint.
    case tunnel
}
