internal import NetAddress

// Rules as stock nft writes them. The words are those of nft(8); whatever is written here is held against
// `nft list ruleset` and `nft -j list ruleset` by the tests.

extension Statement {
    /// The statement in nft's language.
    public var text: String {
        switch self {
        case .member(let fields, let set, let inverted), .within(let fields, let set, let inverted):
            "\(fields.text) \(inverted ? "!= " : "")@\(set)"
        case .address(let direction, let comparison, let block):
            "\(Self.field(direction, block).text) \(comparison == .equal ? "" : "!= ")\(Self.text(block))"
        case .isLocal(let direction, let isLocal): "fib \(direction.name) type \(isLocal ? "" : "!= ")local"
        case .connectionIsNew: "ct state new"
        case .connectionIsRedirected: "ct status dnat"
        case .markIsSet(let bit): "meta mark & \(Self.hex(bit)) == \(Self.hex(bit))"
        case .setMark(let bit): "meta mark set meta mark | \(Self.hex(bit))"
        case .flipMark(let bit): "meta mark set meta mark ^ \(Self.hex(bit))"
        case .redirect(let family, let fields, let map): "dnat \(family.nftName) to \(fields.text) map @\(map)"
        case .masquerade: "masquerade fully-random"
        case .reject: "reject"
        case .verdict(let verdict): verdict.description
        }
    }

    /// The statement as `nft -j` prints it.
    func json(_ family: IPFamily) -> JSON {
        switch self {
        case .member(let fields, let set, let inverted), .within(let fields, let set, let inverted):
            Self.match(inverted ? "!=" : "==", fields.json, .string("@\(set)"))
        case .address(let direction, let comparison, let block):
            Self.match(
                comparison == .equal ? "==" : "!=", Self.field(direction, block).json, Self.json(block))
        case .isLocal(let direction, let isLocal):
            Self.match(
                isLocal ? "==" : "!=", ["fib": ["result": "type", "flags": [.string(direction.name)]]], "local")
        case .connectionIsNew: Self.match("in", ["ct": ["key": "state"]], "new")
        case .connectionIsRedirected: Self.match("in", ["ct": ["key": "status"]], "dnat")
        case .markIsSet(let bit): Self.markIsSet(bit)
        case .setMark(let bit): Self.mangleMark("|", bit)
        case .flipMark(let bit): Self.mangleMark("^", bit)
        case .redirect(let family, let fields, let map):
            [
                "dnat": [
                    "family": .string(family.nftName),
                    "addr": ["map": ["key": fields.json, "data": .string("@\(map)")]],
                ]
            ]
        case .masquerade: ["masquerade": ["flags": "fully-random"]]
        case .reject: ["reject": ["type": family == .ipv4 ? "icmp" : "icmpv6", "expr": "port-unreachable"]]
        case .verdict(let verdict): verdict.json
        }
    }

    private static func match(_ op: String, _ left: JSON, _ right: JSON) -> JSON {
        ["match": ["op": .string(op), "left": left, "right": right]]
    }

    /// nft takes a mask of leading ones for a prefix, also where there is a single one.
    private static func markIsSet(_ bit: UInt32) -> JSON {
        let mark: JSON = ["meta": ["key": "mark"]]
        if bit == 1 << 31 { return match("==", mark, ["prefix": ["addr": .number(Int(bit)), "len": 1]]) }
        return match("==", ["&": [mark, .number(Int(bit))]], .number(Int(bit)))
    }

    private static func mangleMark(_ op: String, _ bit: UInt32) -> JSON {
        let mark: JSON = ["meta": ["key": "mark"]]
        return ["mangle": ["key": mark, "value": .object([.init(op, [mark, .number(Int(bit))])])]]
    }

    private static func field(_ direction: Direction, _ block: CIDR) -> Field {
        direction == .source ? .sourceAddress(block.family) : .destinationAddress(block.family)
    }

    private static func hex(_ number: UInt32) -> String {
        let digits = String(number, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }

    private static func text(_ block: CIDR) -> String {
        block.prefixLength == block.family.addressBits ? block.address.description : block.description
    }

    private static func json(_ block: CIDR) -> JSON {
        let address: JSON = .string(block.address.description)
        if block.prefixLength == block.family.addressBits { return address }
        return ["prefix": ["addr": address, "len": .number(block.prefixLength)]]
    }
}

extension Statement.Direction {
    var name: String { self == .source ? "saddr" : "daddr" }
}

extension Verdict {
    var json: JSON {
        switch self {
        case .jump(let chain): ["jump": ["target": .string(chain)]]
        case .goto(let chain): ["goto": ["target": .string(chain)]]
        default: .object([.init(description, nil)])
        }
    }
}
