public import NFTables
public import NetAddress

/// The first packet of a new connection.
public struct Packet: Hashable, Sendable {
    /// Where a packet comes from.
    public enum Origin: Hashable, Sendable {
        /// A process on the node.
        case node
        /// Another machine or a pod, through an interface of the node; nil if nobody said through which.
        case interface(String?)
    }

    public let source: IPAddress
    /// Nil if it does not matter. What asks for it then is told apart in the report.
    public let sourcePort: UInt16?
    public let destination: SocketAddress
    public let transport: TransportProtocol
    public let origin: Origin

    /// A packet; nil if the two addresses are not of one family.
    public init?(
        from source: IPAddress, port sourcePort: UInt16? = nil, to destination: SocketAddress,
        transport: TransportProtocol = .tcp, origin: Origin
    ) {
        guard source.family == destination.address.family else { return nil }
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.transport = transport
        self.origin = origin
    }

    public var family: IPFamily { source.family }
}

/// What the routing table of a node would say.
public struct NodeView: Hashable, Sendable {
    /// The node's own addresses. Loopback addresses need not be among them.
    public var addresses: Set<IPAddress>

    public init(addresses: Set<IPAddress> = []) { self.addresses = addresses }

    /// Whether an address is one of the node's own.
    public func isLocal(_ address: IPAddress) -> Bool { address.isLoopback || addresses.contains(address) }

    /// What `fib daddr type` and `fib saddr type` load: `RTN_*` of linux/rtnetlink.h. Which addresses are broadcasts of a
    /// subnet is not known here.
    func addressType(_ address: IPAddress) -> UInt32 {
        if isLocal(address) { return 2 }
        if address.isMulticast { return 5 }
        return address.isLimitedBroadcast || address.family == .ipv4 && address.low >> 24 == 0 ? 3 : 1
    }
}
