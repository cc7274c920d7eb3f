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

    /// Bytes of a value before padding.
    public var length: Int {
        switch self {
        case .sourceAddress(let family), .destinationAddress(let family): family.addressLength
        case .transportProtocol: 1
        case .destinationPort: 2
        case .randomSlot: 4
        }
    }

    /// Bytes of a value in a concatenation.
    public var paddedLength: Int { (length + 3) & ~3 }

    /// nft's number for the type (`enum datatypes` of nftables, stored in NFTA_SET_KEY_TYPE for nft to read back).
    var dataType: UInt32 {
        switch self {
        case .sourceAddress(let family), .destinationAddress(let family): family == .ipv4 ? 7 : 8
        case .transportProtocol: 12
        case .destinationPort: 13
        case .randomSlot: 4
        }
    }

    /// nft's name for the type.
    var dataTypeName: String {
        switch self {
        case .sourceAddress(let family), .destinationAddress(let family): family == .ipv4 ? "ipv4_addr" : "ipv6_addr"
        case .transportProtocol: "inet_proto"
        case .destinationPort: "inet_service"
        case .randomSlot: "integer"
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
        }
    }

    /// The expression that loads the part into a register.
    func load(into register: Register) -> Expression {
        switch self {
        case .sourceAddress(let family):
            .payload(base: .network, offset: family == .ipv4 ? 12 : 8, length: UInt32(family.addressLength), register)
        case .destinationAddress(let family):
            .payload(base: .network, offset: family == .ipv4 ? 16 : 24, length: UInt32(family.addressLength), register)
        case .transportProtocol: .meta(.transportProtocol, register)
        case .destinationPort: .payload(base: .transport, offset: 2, length: 2, register)
        case .randomSlot(let modulus): .random(modulus: modulus, register)
        }
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

    /// The expressions that load the parts side by side, from the first register on.
    func load() -> [Expression] {
        var word = 0
        return map { field in
            defer { word += field.paddedLength / 4 }
            return field.load(into: Register(word: word))
        }
    }
}

extension [Field] {
    /// The same for a look-up in a set of ranges, where nft puts a conversion behind the protocol. It has no effect,
    /// since one byte has no order, but a rule without it would not equal the one that nft makes of its text.
    func loadForRanges() -> [Expression] {
        load().flatMap { expression -> [Expression] in
            guard case .meta(.transportProtocol, let register) = expression else { return [expression] }
            return [expression, .toNetworkOrder(register, length: 1, size: 2)]
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
