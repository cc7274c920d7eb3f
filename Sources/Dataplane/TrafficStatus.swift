/// What a kernel counts for a frontend or an endpoint beyond connections, where it does.
public struct TrafficStatus: Hashable, Sendable {
    /// From clients to endpoints.
    public var incoming = Volume()
    /// From endpoints to clients; nothing where they answer by themselves.
    public var outgoing = Volume()
    /// New connections for each second, as the kernel estimates it.
    public var connectionsPerSecond: UInt64 = 0

    public init() {}

    public struct Volume: Hashable, Sendable {
        public var packets: UInt64
        public var bytes: UInt64
        public var packetsPerSecond: UInt64
        public var bytesPerSecond: UInt64

        public init(packets: UInt64 = 0, bytes: UInt64 = 0, packetsPerSecond: UInt64 = 0, bytesPerSecond: UInt64 = 0) {
            self.packets = packets
            self.bytes = bytes
            self.packetsPerSecond = packetsPerSecond
            self.bytesPerSecond = bytesPerSecond
        }
    }
}

/// An endpoint as the kernel has it, where it counts for each.
public struct EndpointStatus: Hashable, Sendable {
    public var endpoint: SocketEndpoint
    /// The share of new connections; 0 for one that leaves, and is there for the connections that it has.
    public var weight: UInt32
    /// New connections since the endpoint was made.
    public var connections: UInt64
    /// Connections now: established, and all others that are remembered.
    public var activeConnections: UInt32
    public var inactiveConnections: UInt32
    public var traffic: TrafficStatus

    public init(
        endpoint: SocketEndpoint, weight: UInt32, connections: UInt64, activeConnections: UInt32,
        inactiveConnections: UInt32, traffic: TrafficStatus
    ) {
        self.endpoint = endpoint
        self.weight = weight
        self.connections = connections
        self.activeConnections = activeConnections
        self.inactiveConnections = inactiveConnections
        self.traffic = traffic
    }
}
