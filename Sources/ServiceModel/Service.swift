public import NetAddress

/// One service: stable addresses and ports, and the endpoints that answer behind them.
///
/// Both forms of definition (native and Kubernetes) decode to this value, with Kubernetes' defaults filled in.
/// A `Service` is valid: names are DNS labels, ports are 1…65535, addresses are of a kind that can be reached.
public struct Service: Hashable, Sendable {
    public var name: ServiceName
    /// At most one per family. Empty for a service that has external addresses or node ports alone.
    public var clusterIPs: [IPAddress] = []
    public var externalIPs: [IPAddress] = []
    /// Virtual addresses only: hostname entries and `ipMode: Proxy` are left out (semantics 3).
    public var loadBalancerIPs: [IPAddress] = []
    /// Who may use the load-balancer addresses; empty means everybody.
    public var loadBalancerSourceRanges: [CIDR] = []
    /// Who may use any address of the service; empty means everybody. A list that names only one family closes the
    /// other.
    public var allowedSources: [CIDR] = []
    /// Who may not use any address of the service, whatever else allows it.
    public var deniedSources: [CIDR] = []
    /// How many connections the service may have at a time, 1…16777215; nil without a limit.
    public var maxConnections: UInt32?
    /// How many connections one client address may have to the service at a time, 1…16777215; nil without a limit.
    public var maxConnectionsPerSource: UInt32?
    /// How fast one client address may open connections to the service; nil without a limit.
    public var newConnectionsPerSecond: RateLimit?
    public var ports: [ServicePort] = []
    /// How long a client keeps its endpoint, in seconds; nil without affinity.
    public var clientIPAffinitySeconds: UInt32?
    public var internalTrafficPolicy: TrafficPolicy = .cluster
    public var externalTrafficPolicy: TrafficPolicy = .cluster
    public var healthCheckNodePort: UInt16?
    public var publishNotReadyAddresses = false
    /// Kubernetes' `trafficDistribution`, as it was written.
    public var trafficDistribution: String?
    public var scheduler: Scheduler = .random
    /// What only IPVS can do.
    public var virtualServer = VirtualServerSettings()
    /// When the service was made (RFC 3339, UTC, or any text of the source's that sorts by age after such times), if its
    /// source says so: the older of two claims wins (semantics 8).
    public var creationTimestamp: String?
    /// Whether the definition came from Kubernetes objects, which cannot be refused for contradicting each other.
    public var isFromKubernetes = false
    /// Every endpoint, whatever its conditions, in the order of the source.
    public var endpoints: [Endpoint] = []

    public init(name: ServiceName) { self.name = name }
}

/// How often something may happen: a bucket of ``burst`` tokens that fills with ``perSecond`` of them each second.
public struct RateLimit: Hashable, Sendable {
    /// 1…1000000.
    public var perSecond: UInt32
    /// How many may come at once after a pause, 1…1000000.
    public var burst: UInt32

    public init(perSecond: UInt32, burst: UInt32) {
        self.perSecond = perSecond
        self.burst = burst
    }
}

/// One port of a service.
public struct ServicePort: Hashable, Sendable {
    /// A DNS label, or empty where the service has a single unnamed port.
    public var name: String
    public var transport: TransportProtocol
    /// 1…65535.
    public var port: UInt16
    public var target: TargetPort
    /// The port on every node address, if there is one.
    public var nodePort: UInt16?

    public init(
        name: String, transport: TransportProtocol = .tcp, port: UInt16, target: TargetPort? = nil,
        nodePort: UInt16? = nil
    ) {
        self.name = name
        self.transport = transport
        self.port = port
        self.target = target ?? .number(port)
        self.nodePort = nodePort
    }
}

/// The port on an endpoint that a service port leads to.
public enum TargetPort: Hashable, Sendable {
    case number(UInt16)
    /// A name that each endpoint resolves for itself.
    case name(String)
}

/// Whether traffic may leave the node it arrived on.
public enum TrafficPolicy: String, Hashable, Sendable, CaseIterable {
    case cluster = "Cluster"
    case local = "Local"
}

/// How new connections are spread over endpoints.
public enum Scheduler: String, Hashable, Sendable, CaseIterable {
    case random
    case roundRobin
    case sourceHash
    case maglev
    // IPVS's own schedulers, by the kernel's names.
    case rr, wrr, lc, wlc, sh, dh, sed, nq, lblc, lblcr, mh, fo, ovf
}
