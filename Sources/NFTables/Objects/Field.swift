public import NetAddress

/// One part of a set's key or of a map's data: what it holds, how wide it is, and which bytes of a packet it is
/// compared with.
///
/// In a concatenation every part begins at a multiple of 4 bytes. Addresses and ports are in network byte order,
/// slots in host byte order (as `numgen` leaves them in its register).
public enum Field: Hashable, Sendable {
    /// `ip saddr` or `ip6 saddr`.
    case sourceAddress(IPFamily)
    /// `ip daddr` or `ip6 daddr`.
    case destinationAddress(IPFamily)
    /// `meta l4proto`.
    case transportProtocol
    /// `th dport`.
    case destinationPort
    /// `numgen random mod N`: a slot, 0 up to but not including N, drawn anew for each look-up.
    case randomSlot(modulus: UInt32)

    // What follows is looked up with, and never what a set is declared by: nft cannot print sets that are.

    /// `numgen inc mod N`: the slot after the one that the rule gave last.
    case nextSlot(modulus: UInt32)
    /// `jhash ip saddr mod N seed S`: a slot that a client always gets.
    case sourceSlot(IPFamily, modulus: UInt32)
    /// `ct original ip saddr`: who made the connection, also after source NAT.
    case originalSource(IPFamily)
    /// `ct original ip daddr`: what the client addressed, also after destination NAT.
    case originalDestination(IPFamily)
    /// `ct original proto-dst`: the port that the client addressed. nft takes it only in a rule that begins with a match
    /// of one transport protocol.
    case originalDestinationPort
    /// `ct protocol`: the connection's transport protocol.
    case connectionProtocol
    /// `ct reply ip saddr`: who answers.
    case replySource(IPFamily)

    /// The seed of source hashes: the same everywhere and always, so that all nodes send a client to the same endpoint.
    public static let hashSeed: UInt32 = 0x7376_6363

    /// Bytes of a value before padding.
    public var length: Int {
        switch self {
        case .sourceAddress(let family), .destinationAddress(let family), .originalSource(let family),
            .originalDestination(let family), .replySource(let family):
            family.addressLength
        case .transportProtocol, .connectionProtocol: 1
        case .destinationPort, .originalDestinationPort: 2
        case .randomSlot, .nextSlot, .sourceSlot: 4
        }
    }

    /// Bytes of a value in a concatenation.
    public var paddedLength: Int { (length + 3) & ~3 }

    /// nft's number for the type (`enum datatypes` of nftables, stored in NFTA_SET_KEY_TYPE for nft to read back).
    var dataType: UInt32 {
        switch self {
        case .sourceAddress(let family), .destinationAddress(let family), .originalSource(let family),
            .originalDestination(let family), .replySource(let family):
            family == .ipv4 ? 7 : 8
        case .transportProtocol, .connectionProtocol: 12
        case .destinationPort, .originalDestinationPort: 13
        case .randomSlot, .nextSlot, .sourceSlot: 4
        }
    }

    /// nft's name for the type.
    var dataTypeName: String {
        switch self {
        case .sourceAddress(let family), .destinationAddress(let family), .originalSource(let family),
            .originalDestination(let family), .replySource(let family):
            family == .ipv4 ? "ipv4_addr" : "ipv6_addr"
        case .transportProtocol, .connectionProtocol: "inet_proto"
        case .destinationPort, .originalDestinationPort: "inet_service"
        case .randomSlot, .nextSlot, .sourceSlot: "integer"
        }
    }

    /// The expression that loads the part from a packet, in nft's language.
    public var text: String {
        switch self {
        case .sourceAddress(let family): "\(family.nftName) saddr"
        case .destinationAddress(let family): "\(family.nftName) daddr"
        case .transportProtocol: "meta l4proto"
        case .destinationPort: "th dport"
        case .randomSlot(let modulus): "numgen random mod \(modulus)"
        case .nextSlot(let modulus): "numgen inc mod \(modulus)"
        case .sourceSlot(let family, let modulus):
            "jhash \(family.nftName) saddr mod \(modulus) seed 0x\(String(Self.hashSeed, radix: 16))"
        case .originalSource(let family): "ct original \(family.nftName) saddr"
        case .originalDestination(let family): "ct original \(family.nftName) daddr"
        case .originalDestinationPort: "ct original proto-dst"
        case .connectionProtocol: "ct protocol"
        case .replySource(let family): "ct reply \(family.nftName) saddr"
        }
    }

    /// The same expression as nft's JSON has it.
    var json: JSON {
        switch self {
        case .sourceAddress(let family): ["payload": ["protocol": .string(family.nftName), "field": "saddr"]]
        case .destinationAddress(let family): ["payload": ["protocol": .string(family.nftName), "field": "daddr"]]
        case .transportProtocol: ["meta": ["key": "l4proto"]]
        case .destinationPort: ["payload": ["protocol": "th", "field": "dport"]]
        case .randomSlot(let modulus): ["numgen": ["mode": "random", "mod": .number(Int(modulus)), "offset": 0]]
        case .nextSlot(let modulus): ["numgen": ["mode": "inc", "mod": .number(Int(modulus)), "offset": 0]]
        case .sourceSlot(let family, let modulus):
            [
                "jhash": [
                    "mod": .number(Int(modulus)), "seed": .number(Int(Self.hashSeed)),
                    "expr": Field.sourceAddress(family).json,
                ]
            ]
        case .originalSource(let family): ["ct": ["key": .string("\(family.nftName) saddr"), "dir": "original"]]
        case .originalDestination(let family): ["ct": ["key": .string("\(family.nftName) daddr"), "dir": "original"]]
        case .originalDestinationPort: ["ct": ["key": "proto-dst", "dir": "original"]]
        case .connectionProtocol: ["ct": ["key": "protocol"]]
        case .replySource(let family): ["ct": ["key": .string("\(family.nftName) saddr"), "dir": "reply"]]
        }
    }

    /// The expression that loads the part into a register. A hash is made of what ``loadOperand(into:)`` has loaded.
    func load(into register: Register, operand: Register = .first) -> Expression {
        switch self {
        case .sourceAddress(let family):
            .payload(base: .network, offset: family == .ipv4 ? 12 : 8, length: UInt32(family.addressLength), register)
        case .destinationAddress(let family):
            .payload(base: .network, offset: family == .ipv4 ? 16 : 24, length: UInt32(family.addressLength), register)
        case .transportProtocol: .meta(.transportProtocol, register)
        case .destinationPort: .payload(base: .transport, offset: 2, length: 2, register)
        case .randomSlot(let modulus): .random(modulus: modulus, register)
        case .nextSlot(let modulus): .increment(modulus: modulus, register)
        case .sourceSlot(let family, let modulus):
            .hash(
                operand, length: UInt32(family.addressLength), seed: Self.hashSeed, modulus: modulus, register)
        case .originalSource(let family):
            .connectionTuple(family == .ipv4 ? .sourceIPv4 : .sourceIPv6, .original, register)
        case .originalDestination(let family):
            .connectionTuple(family == .ipv4 ? .destinationIPv4 : .destinationIPv6, .original, register)
        case .originalDestinationPort: .connectionTuple(.destinationPort, .original, register)
        case .connectionProtocol: .connection(.transportProtocol, register)
        case .replySource(let family):
            .connectionTuple(family == .ipv4 ? .sourceIPv4 : .sourceIPv6, .reply, register)
        }
    }

    /// The expression that must come before, if the part is computed from something.
    func loadOperand(into register: Register) -> Expression? {
        if case .sourceSlot(let family, _) = self { Field.sourceAddress(family).load(into: register) } else { nil }
    }
}

extension [Field] {
    /// The parts joined as in nft's language: `ip daddr . meta l4proto . th dport`.
    public var text: String { map(\.text).joined(separator: " . ") }

    /// Bytes of a whole key or datum.
    public var paddedLength: Int { reduce(0) { $0 + $1.paddedLength } }

    /// A single part as it is, several as a concatenation: six bits each (`TYPE_BITS` of nftables).
    var dataType: UInt32 { reduce(0) { $0 << 6 | $1.dataType } }

    var json: JSON {
        if let only = first, count == 1 { return only.json }
        return ["concat": .array(map(\.json))]
    }

    /// The expressions that load the parts side by side, from a register on. What a part is computed from goes behind
    /// the key and four words more, as nft has it.
    func load(from first: Int = 0) -> [Expression] {
        var word = first
        let operand = Register(word: first + paddedLength / 4 + 4)
        return flatMap { field in
            defer { word += field.paddedLength / 4 }
            let load = field.load(into: Register(word: word), operand: operand)
            return field.loadOperand(into: operand).map { [$0, load] } ?? [load]
        }
    }
}

extension IPFamily {
    /// nft's name of the family and of its header: `ip` or `ip6`.
    public var nftName: String { self == .ipv4 ? "ip" : "ip6" }

    /// NFPROTO_IPV4 or NFPROTO_IPV6 (linux/netfilter.h).
    public var netfilterNumber: UInt8 { self == .ipv4 ? 2 : 10 }

    /// From NFPROTO_IPV4 or NFPROTO_IPV6; nil for any other family.
    public init?(netfilterNumber number: UInt32) {
        switch number {
        case 2: self = .ipv4
        case 10: self = .ipv6
        default: return nil
        }
    }
}
