public import NFTables
public import NetAddress

// From the kernel's instructions.

extension XTRule {
    /// The rule that has these instructions in a table of this family; nil if no rule of ours has exactly these.
    ///
    /// - Parameter sets: the names of the sets that rules refer to. A rule with another one is none of ours.
    public init?(_ expressions: [Expression], _ family: IPFamily, sets: SetIndices = SetIndices()) {
        var reader = RuleReader(expressions, family, sets)
        guard let rule = reader.rule(), rule.expressions(family, sets: sets) == expressions else { return nil }
        self = rule
    }
}

/// Reads instructions front to back. It looks at no more than it must to tell what the rule may be: whoever asks
/// compares the outcome's instructions with the ones at hand.
private struct RuleReader {
    private let expressions: [Expression]
    private let family: IPFamily
    private let sets: SetIndices
    private var index = 0
    private var transport: TransportProtocol?

    init(_ expressions: [Expression], _ family: IPFamily, _ sets: SetIndices) {
        self.expressions = expressions
        self.family = family
        self.sets = sets
    }

    mutating func rule() -> XTRule? {
        var matches: [XTMatch] = []
        while let expression = next() {
            if expression == .counter {
                guard let last = next() else { return XTRule(matches) }
                guard index == expressions.count, let target = XTTarget(last, family, sets) else { return nil }
                return XTRule(matches, target)
            }
            guard let match = match(expression) else { return nil }
            matches.append(match)
        }
        return nil
    }

    private mutating func next() -> Expression? {
        guard expressions.indices.contains(index) else { return nil }
        defer { index += 1 }
        return expressions[index]
    }

    private mutating func match(_ expression: Expression) -> XTMatch? {
        switch expression {
        case .match(let name, _, let payload): return XTMatch(name, Structure(payload), transport, family, sets)
        case .payload, .meta: break
        default: return nil
        }
        var comparison = next()
        var mask: [UInt8]?
        if case .bitwise(_, let bits, _)? = comparison {
            mask = bits
            comparison = next()
        }
        guard case .compare(_, let operation, let bytes)? = comparison, !bytes.isEmpty else { return nil }
        return match(expression, mask, bytes, inverted: operation == .notEqual)
    }

    private mutating func match(
        _ loaded: Expression, _ mask: [UInt8]?, _ bytes: [UInt8], inverted: Bool
    ) -> XTMatch? {
        switch loaded {
        case .meta(.inputInterfaceName, _):
            let isPrefix = bytes.last != 0
            guard let name = String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self) else { return nil }
            return .inputInterface(name, isPrefix: isPrefix, inverted: inverted)
        case .meta(.transportProtocol, _):
            transport = bytes.first.flatMap { TransportProtocol(rawValue: $0) }
            return transport.map { .transport($0) }
        case .meta(.mark, _):
            guard let value: UInt32 = Structure(bytes).number(0) else { return nil }
            return .mark(value, mask: mask.map(Structure.init)?.number(0) ?? .max, inverted: inverted)
        case .payload(.network, family.sourceOffset, _, _):
            return block(bytes, mask).map { .source($0, inverted: inverted) }
        case .payload(.network, family.destinationOffset, _, _):
            if let mask, mask.first == 0, let value = bytes.last {
                return .destinationLowBits(value, count: mask.last?.nonzeroBitCount ?? 0)
            }
            return block(bytes, mask).map { .destination($0, inverted: inverted) }
        case .payload(.transport, 2, 2, _):
            guard let transport, let port: UInt16 = Structure(bytes).number(0) else { return nil }
            return .destinationPort(transport, UInt16(bigEndian: port))
        default: return nil
        }
    }

    private func block(_ bytes: [UInt8], _ mask: [UInt8]?) -> CIDR? {
        let bits = mask?.reduce(0) { $0 + $1.nonzeroBitCount } ?? bytes.count * 8
        guard bytes.count <= family.addressLength else { return nil }
        let padded = bytes + [UInt8](repeating: 0, count: family.addressLength - bytes.count)
        return IPAddress(networkBytes: padded[...]).flatMap { CIDR($0, prefixLength: bits) }
    }
}

extension XTMatch {
    fileprivate init?(
        _ name: String, _ info: Structure, _ transport: TransportProtocol?, _ family: IPFamily, _ sets: SetIndices
    ) {
        let match: XTMatch? =
            switch name {
            case "comment": info.text(0, 256).map { .comment($0) }
            case "statistic": info.number(4).map { .statistic(probability: $0) }
            case "sctp": info.number(0).map { .destinationPort(.sctp, $0) }
            case "addrtype": Self.addressType(info)
            case "conntrack": info.bytes == Extension.stateNew ? .connectionIsNew : .connectionIsRedirected
            case "bpf": .sourceIsDestination
            case "recent": Self.recent(info)
            case "connlimit": Self.connectionLimit(info, family)
            case "hashlimit": Self.rateLimit(info)
            case "set": info.set(0, sets).map { .set($0.name, $0.directions, inverted: $0.inverted) }
            case "ipvs": IPVSMatch(info, family).map { .ipvs($0) }
            default: nil
            }
        guard let match else { return nil }
        self = match
    }

    private static func addressType(_ info: Structure) -> XTMatch? {
        guard let source: UInt16 = info.number(0), let flags: UInt32 = info.number(4) else { return nil }
        return .addressType(source: source != 0, isLocal: flags == 0)
    }

    private static func recent(_ info: Structure) -> XTMatch? {
        guard let seconds: UInt32 = info.number(0), let action: UInt8 = info.number(8), let name = info.text(10, 200)
        else { return nil }
        return action == Extension.setting
            ? .recentSet(name: name)
            : .recentCheck(name: name, seconds: seconds, reap: action == Extension.reaping)
    }

    private static func connectionLimit(_ info: Structure, _ family: IPFamily) -> XTMatch? {
        info.number(16).map { count in
            let mask = info.bytes.prefix(family.addressLength)
            return .connectionsAbove(count, maskLength: mask.reduce(0) { $0 + $1.nonzeroBitCount })
        }
    }

    private static func rateLimit(_ info: Structure) -> XTMatch? {
        guard let name = info.text(0, 255), let period: UInt64 = info.number(256), let burst: UInt64 = info.number(264),
            let expire: UInt32 = info.number(288), let period = UInt32(exactly: period),
            let burst = UInt32(exactly: burst)
        else { return nil }
        return .rateAbove(perSecond: rate(period: period), burst: burst, name: name, expireMilliseconds: expire)
    }
}

extension XTTarget {
    fileprivate init?(_ expression: Expression, _ family: IPFamily, _ sets: SetIndices) {
        switch expression {
        case .verdict(.jump(let chain)): self = .jump(chain)
        case .verdict(.goto(let chain)): self = .goto(chain)
        case .verdict(.accept): self = .accept
        case .verdict(.drop): self = .drop
        case .verdict(.return): self = .return
        case .target("MARK", _, let payload):
            let info = Structure(payload)
            guard let value: UInt32 = info.number(0), let mask: UInt32 = info.number(4) else { return nil }
            self = .setMark(value, mask: mask)
        case .target("MASQUERADE", _, let payload):
            self = .masquerade(isRandom: payload == Extension.masquerade(true, family))
        case .target("DNAT", _, let payload):
            let address = payload.dropFirst(4).prefix(family.addressLength)
            guard let address = IPAddress(networkBytes: address), let port: UInt16 = Structure(payload).number(36)
            else { return nil }
            self = .redirect(address, UInt16(bigEndian: port))
        case .target("SET", _, let payload):
            guard let set = Structure(payload).set(8, sets) else { return nil }
            self = .mapMark(set: set.name, set.directions)
        case .target("REJECT", _, _): self = .reject
        default: return nil
        }
    }
}
