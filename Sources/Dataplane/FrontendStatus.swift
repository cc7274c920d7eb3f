public import NetAddress

/// One address and port that the kernel serves now, as the kernel has it.
public struct FrontendStatus: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        case clusterIP = "cluster IP"
        case external = "external IP"
        case nodePort = "node port"
    }

    public enum State: String, Hashable, Sendable {
        case serving
        /// No endpoint anywhere: refused.
        case refusing
        /// No endpoint that the policy allows here: dropped, except for this node's own clients.
        case dropping
    }

    /// `namespace/name:port` of the service port.
    public var service: String
    public var kind: Kind
    public var family: IPFamily
    /// Nil for a node port.
    public var address: IPAddress?
    public var transport: TransportProtocol
    public var port: UInt16
    public var state: State
    /// Where connections go, each endpoint once.
    public var endpoints: [SocketEndpoint]
    /// New connections since the frontend was made.
    public var connections: UInt64
    /// Connections that were refused or dropped: for want of endpoints, by lists of sources, or by limits.
    public var drops: UInt64
    /// Nil where the kernel does not count it.
    public var traffic: TrafficStatus?
    /// The endpoints once more, where the kernel counts for each.
    public var endpointDetails: [EndpointStatus] = []

    public init(
        service: String, kind: Kind, family: IPFamily, address: IPAddress?, transport: TransportProtocol, port: UInt16,
        state: State, endpoints: [SocketEndpoint], connections: UInt64, drops: UInt64
    ) {
        self.service = service
        self.kind = kind
        self.family = family
        self.address = address
        self.transport = transport
        self.port = port
        self.state = state
        self.endpoints = endpoints
        self.connections = connections
        self.drops = drops
    }
}

/// An address and a port.
public struct SocketEndpoint: Hashable, Sendable {
    public var address: IPAddress
    public var port: UInt16

    public init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension SocketEndpoint: CustomStringConvertible {
    /// `10.244.1.2:8080` or `[fd00::2]:8080`.
    public var description: String { address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
