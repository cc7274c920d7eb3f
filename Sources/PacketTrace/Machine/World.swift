internal import NFTables
internal import NetAddress

/// One of the ways that things may have gone so far, and how probable it is.
struct World {
    var probability: Fraction
    var state: PacketState
    /// How often a set was asked or changed on this way.
    var lookups = 0
    /// They live as long as a rule does.
    var registers = Registers()

    fileprivate mutating func join(_ other: World) {
        probability += other.probability
        lookups = max(lookups, other.lookups)
    }
}

extension [World] {
    var probability: Fraction { reduce(.zero) { $0 + $1.probability } }

    /// Makes one of all that differ in nothing that later rules could see. Of the look-ups it has those of the longest
    /// way.
    var merged: [World] {
        guard count > 1 else { return self }
        var result: [World] = []
        var places: [PacketState: Int] = [:]
        for world in self {
            // Neighbours are often equal, and share their bytes, so that comparing costs less than hashing.
            if let last = result.last, last.state == world.state {
                result[result.count - 1].join(world)
            } else if let place = places[world.state] {
                result[place].join(world)
            } else {
                places[world.state] = result.count
                result.append(world)
            }
        }
        return result
    }
}

/// A packet, and what the kernel knows of it.
struct PacketState: Hashable {
    var network: Header
    var transport: Header
    var mark: UInt32 = 0
    /// The name as it is compared, 16 bytes; nil if it is not known.
    var inputInterface: [UInt8]?
    /// Connection tracking sees the packet at priority -200; nil before.
    var connection: Connection?
    /// What rules have added to sets and deleted from them.
    var changes: [SetChange] = []

    init(_ packet: Packet) {
        network = .network(packet)
        transport = .transport(packet)
        switch packet.origin {
        case .node: inputInterface = Self.interfaceBytes("")
        case .interface(let name): inputInterface = name.map(Self.interfaceBytes)
        }
    }

    /// A name padded to `IFNAMSIZ` bytes (linux/if.h).
    static func interfaceBytes(_ name: String) -> [UInt8] {
        let bytes = Array(name.utf8.prefix(15))
        return bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
    }
}

extension PacketState {
    private var isIPv4: Bool { network.bytes.count == 20 }

    var family: IPFamily { isIPv4 ? .ipv4 : .ipv6 }

    var sourceOffset: Int { isIPv4 ? 12 : 8 }
    var destinationOffset: Int { isIPv4 ? 16 : 24 }

    private func address(at offset: Int) -> IPAddress? {
        network.read(offset, family.addressLength).flatMap { IPAddress(networkBytes: $0) }
    }

    /// Nil after masquerading, since which address the interface has is not known.
    var source: IPAddress? { address(at: sourceOffset) }
    var destination: IPAddress? { address(at: destinationOffset) }

    private func port(at offset: Int) -> UInt16? {
        transport.read(offset, 2).map { $0.reduce(0) { $0 << 8 | UInt16($1) } }
    }

    var sourcePort: UInt16? { port(at: 0) }
    var destinationPort: UInt16? { port(at: 2) }
    var transportNumber: UInt8 { network.bytes[isIPv4 ? 9 : 6] }

    /// Rewrites the destination, as NAT does.
    mutating func send(to destination: SocketAddress) {
        network.write(destination.address.networkBytes, at: destinationOffset)
        let port = destination.port
        transport.write([UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port)], at: 2)
    }
}

/// What connection tracking knows. The original tuple is what the packet was when it came; NAT changes the other.
struct Connection: Hashable {
    /// `IPS_*` of linux/netfilter/nf_conntrack_common.h.
    static let confirmed: UInt32 = 1 << 3
    static let sourceNAT: UInt32 = 1 << 4
    static let destinationNAT: UInt32 = 1 << 5
    static let sourceNATDone: UInt32 = 1 << 7
    static let destinationNATDone: UInt32 = 1 << 8
    /// `NF_CT_STATE_BIT(IP_CT_NEW)`, `NF_CT_STATE_INVALID_BIT`.
    static let new: UInt32 = 8
    static let invalid: UInt32 = 1

    let source: IPAddress?
    let sourcePort: UInt16?
    let destination: IPAddress?
    let destinationPort: UInt16?
    /// Where answers come from.
    var replySource: IPAddress?
    var replySourcePort: UInt16?
    var status: UInt32 = 0

    init(_ packet: PacketState) {
        source = packet.source
        sourcePort = packet.sourcePort
        destination = packet.destination
        destinationPort = packet.destinationPort
        replySource = packet.destination
        replySourcePort = packet.destinationPort
    }

    var isMasqueraded: Bool { status & Self.sourceNAT != 0 }
}

/// What a rule did to a set.
struct SetChange: Hashable {
    let set: String
    let key: ElementKey
    /// Nil in a set without data.
    var datum: [UInt8]?
    var isDeleted = false
}
