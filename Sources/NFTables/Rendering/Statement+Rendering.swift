internal import NetAddress

// Rules as stock nft writes them. The words are those of nft(8); whatever is written here is held against
// `nft list ruleset` and `nft -j list ruleset` by the tests.

extension Statement {
    /// The statement in nft's language.
    public var text: String {
        switch self {
        case .member(let fields, let set, let inverted):
            "\(fields.text) \(inverted ? "!= " : "")@\(set)"
        case .address(let direction, let comparison, let block):
            "\(Self.field(direction, block).text) \(comparison == .equal ? "" : "!= ")\(Self.text(block))"
        case .isLocal(let direction, let isLocal): "fib \(direction.name) type \(isLocal ? "" : "!= ")local"
        case .lowBits(let family, let mask, let value):
            "\(family.nftName) daddr & \(Self.lowAddress(family, mask)) == \(Self.lowAddress(family, value))"
        case .transportIs(let transport): "meta l4proto \(transport)"
        case .inputInterface(let name, let isPrefix, let comparison):
            "iifname \(comparison == .equal ? "" : "!= ")\"\(name)\(isPrefix ? "*" : "")\""
        case .connectionIsNew: "ct state new"
        case .connectionBegins: "ct status ! confirmed"
        case .connectionIsRedirected: "ct status dnat"
        case .markIsSet(let bit): "meta mark & \(Self.hex(bit)) == \(Self.hex(bit))"
        case .setMark(let bit): "meta mark set meta mark | \(Self.hex(bit))"
        case .flipMark(let bit): "meta mark set meta mark ^ \(Self.hex(bit))"
        case .setDestination(let family, let fields, let map):
            "\(family.nftName) daddr set \(fields.text)\(map.map { " map @\($0)" } ?? "")"
        case .updateSet(let operation, let set, let key, let data, let timeout, let expression):
            Self.updateText(operation, set, key, data, timeout, expression)
        case .redirect(let family, let fields, let map): "dnat \(family.nftName) to \(fields.text) map @\(map)"
        case .masquerade: "masquerade fully-random"
        case .reject: "reject"
        case .verdict(let verdict): verdict.description
        }
    }

    /// The statement as `nft -j` prints it.
    func json(_ family: IPFamily) -> JSON {
        switch self {
        case .member(let fields, let set, let inverted):
            Self.match(inverted ? "!=" : "==", fields.json, .string("@\(set)"))
        case .address(let direction, let comparison, let block):
            Self.match(
                comparison == .equal ? "==" : "!=", Self.field(direction, block).json, Self.json(block))
        case .isLocal(let direction, let isLocal):
            Self.match(
                isLocal ? "==" : "!=", ["fib": ["result": "type", "flags": [.string(direction.name)]]], "local")
        case .lowBits(let family, let mask, let value):
            Self.match(
                "==", ["&": [Field.destinationAddress(family).json, Self.lowAddressJSON(family, mask)]],
                Self.lowAddressJSON(family, value))
        case .transportIs(let transport): Self.match("==", ["meta": ["key": "l4proto"]], .string("\(transport)"))
        case .inputInterface(let name, let isPrefix, let comparison):
            Self.match(
                comparison == .equal ? "==" : "!=", ["meta": ["key": "iifname"]], .string(name + (isPrefix ? "*" : "")))
        case .connectionIsNew: Self.match("in", ["ct": ["key": "state"]], "new")
        case .connectionBegins: Self.match("!", ["ct": ["key": "status"]], "confirmed")
        case .connectionIsRedirected: Self.match("in", ["ct": ["key": "status"]], "dnat")
        case .markIsSet(let bit): Self.markIsSet(bit)
        case .setMark(let bit): Self.mangleMark("|", bit)
        case .flipMark(let bit): Self.mangleMark("^", bit)
        case .setDestination(let family, let fields, let map):
            [
                "mangle": [
                    "key": Field.destinationAddress(family).json,
                    "value": map.map { ["map": ["key": fields.json, "data": .string("@\($0)")]] } ?? fields.json,
                ]
            ]
        // nft's JSON has no form for rules that fill maps, and prints them as text.
        case .updateSet(_, _, _, data: _?, _, _): .string(text)
        case .updateSet(let operation, let set, let key, _, let timeout, let expression):
            Self.updateJSON(operation, set, key, timeout, expression)
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

    private static func updateText(
        _ operation: SetOperation, _ set: String, _ key: [Field], _ data: [Field]?, _ timeout: UInt32,
        _ expression: StatefulExpression?
    ) -> String {
        let parts = [
            "\(operation) @\(set) { \(key.text)", timeout > 0 ? "timeout \(duration(timeout))" : nil,
            expression?.description, data.map { ": \($0.text)" }, "}",
        ]
        return parts.compactMap { $0 }.joined(separator: " ")
    }

    private static func updateJSON(
        _ operation: SetOperation, _ set: String, _ key: [Field], _ timeout: UInt32, _ expression: StatefulExpression?
    ) -> JSON {
        let element: JSON =
            timeout > 0 ? ["elem": ["val": key.json, "timeout": .number(Int(timeout))]] : key.json
        var members: [JSON.Member] = [
            .init("op", .string("\(operation)")), .init("elem", element), .init("set", .string("@\(set)")),
        ]
        if let expression { members.append(.init("stmt", [expression.json])) }
        return ["set": .object(members)]
    }

    /// Seconds as nft writes them: `3h`, `1d30m`.
    static func duration(_ seconds: UInt32) -> String {
        let units: [(String, UInt32)] = [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)]
        var rest = seconds
        return units.map { name, length in
            defer { rest %= length }
            return rest / length > 0 ? "\(rest / length)\(name)" : ""
        }.joined()
    }

    private static func lowAddress(_ family: IPFamily, _ bits: UInt8) -> IPAddress {
        family == .ipv4 ? IPAddress(ipv4: UInt32(bits)) : IPAddress(ipv6: 0, UInt64(bits))
    }

    private static func lowAddressJSON(_ family: IPFamily, _ bits: UInt8) -> JSON {
        .string(lowAddress(family, bits).description)
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

extension StatefulExpression {
    /// As nft's JSON has it in an element or a rule: what a counter has counted is not known here.
    var json: JSON {
        switch self {
        case .counter: ["counter": ["packets": 0, "bytes": 0]]
        case .rateOver(let rate, let burst):
            [
                "limit": [
                    "rate": .number(Int(clamping: rate)), "burst": .number(Int(burst)), "per": "second", "inv": true,
                ]
            ]
        case .connectionsOver(let count): ["ct count": ["val": .number(Int(count)), "inv": true]]
        }
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
