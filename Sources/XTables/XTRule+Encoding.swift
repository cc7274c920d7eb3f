public import NFTables
public import NetAddress

// To the instructions that iptables-nft 1.8.9 makes.

extension XTRule {
    /// The rule for a table of this family, ready for a batch.
    ///
    /// - Parameter sets: the numbers of the sets that it refers to; the kernel refuses the rule without them (ENOENT).
    public func rule(_ family: IPFamily, sets: SetIndices = SetIndices()) -> Rule {
        Rule(expressions(family, sets: sets), compatibility: .init(protocolNumber: transport?.rawValue ?? 0))
    }

    /// The rule's instructions in a table of this family: the interface, the protocol and the addresses in that order,
    /// all other matches as they come, a counter, and the target.
    public func expressions(_ family: IPFamily, sets: SetIndices = SetIndices()) -> [Expression] {
        var expressions: [Expression] = []
        expressions.reserveCapacity(matches.count * 2 + 2)
        for case .inputInterface(let name, let isPrefix, let inverted) in matches {
            expressions.append(.meta(.inputInterfaceName, .first))
            expressions.append(.compare(.first, inverted ? .notEqual : .equal, Self.interfaceBytes(name, isPrefix)))
        }
        if let transport {
            expressions.append(.meta(.transportProtocol, .first))
            expressions.append(.compare(.first, .equal, [transport.rawValue]))
        }
        for match in matches { match.append(to: &expressions, family, sets) }
        expressions.append(.counter)
        if let target { expressions.append(target.expression(family, sets)) }
        return expressions
    }

    /// A name with the zero at its end, or just the bytes that a prefix has.
    private static func interfaceBytes(_ name: String, _ isPrefix: Bool) -> [UInt8] {
        isPrefix ? Array(name.utf8) : name.utf8 + [0]
    }
}

extension XTMatch {
    fileprivate func append(to expressions: inout [Expression], _ family: IPFamily, _ sets: SetIndices) {
        switch self {
        case .inputInterface, .transport: break
        case .source(let block, let inverted):
            Self.compare(block, inverted, at: family.sourceOffset, &expressions)
        case .destination(let block, let inverted):
            Self.compare(block, inverted, at: family.destinationOffset, &expressions)
        case .destinationLowBits(let value, let count):
            let zeros = [UInt8](repeating: 0, count: family.addressLength)
            let length = UInt32(family.addressLength)
            expressions.append(.payload(base: .network, offset: family.destinationOffset, length: length, .first))
            expressions.append(.bitwise(.first, mask: zeros.dropLast() + [Self.lowMask(count)], xor: zeros))
            expressions.append(.compare(.first, .equal, zeros.dropLast() + [value]))
        case .destinationPort(.sctp, let port):
            expressions.append(.match(name: "sctp", revision: 0, payload: Extension.sctp(destinationPort: port)))
        case .destinationPort(_, let port):
            expressions.append(.payload(base: .transport, offset: 2, length: 2, .first))
            expressions.append(.compare(.first, .equal, [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]))
        case .mark(let value, let mask, let inverted):
            expressions.append(.meta(.mark, .first))
            if mask != .max {
                expressions.append(.bitwise(.first, mask: Self.hostBytes(mask), xor: [0, 0, 0, 0]))
            }
            expressions.append(.compare(.first, inverted ? .notEqual : .equal, Self.hostBytes(value)))
        case .addressType(let source, let isLocal):
            expressions.append(.match(name: "addrtype", revision: 1, payload: Extension.addressType(source, isLocal)))
        case .statistic(let probability):
            expressions.append(.match(name: "statistic", revision: 0, payload: Extension.statistic(probability)))
        case .connectionIsNew:
            expressions.append(.match(name: "conntrack", revision: 3, payload: Extension.stateNew))
        case .connectionIsRedirected:
            expressions.append(.match(name: "conntrack", revision: 3, payload: Extension.stateRedirected))
        case .sourceIsDestination:
            expressions.append(.match(name: "bpf", revision: 1, payload: Extension.sourceIsDestination(family)))
        case .recentCheck(let name, let seconds, let reap):
            let payload = Extension.recent(
                name, reap ? Extension.reaping : Extension.checking, seconds: seconds, family)
            expressions.append(.match(name: "recent", revision: 1, payload: payload))
        case .recentSet(let name):
            let payload = Extension.recent(name, Extension.setting, seconds: 0, family)
            expressions.append(.match(name: "recent", revision: 1, payload: payload))
        case .connectionsAbove(let count, let maskLength):
            let payload = Extension.connectionLimit(above: count, maskLength, family)
            expressions.append(.match(name: "connlimit", revision: 1, payload: payload))
        case .rateAbove(let rate, let burst, let name, let expire):
            let payload = Extension.rateLimit(
                period: Self.period(rate: rate), burst: burst, name, expire: expire, family)
            expressions.append(.match(name: "hashlimit", revision: 3, payload: payload))
        case .set(let name, let directions, let inverted):
            let payload = Extension.set(sets[name] ?? SetIndices.none, directions, inverted: inverted)
            expressions.append(.match(name: "set", revision: 4, payload: payload))
        case .ipvs(let match):
            expressions.append(.match(name: "ipvs", revision: 0, payload: match.structure(family)))
        case .comment(let text):
            expressions.append(.match(name: "comment", revision: 0, payload: Extension.comment(text)))
        }
    }

    /// Whole bytes of a prefix are compared as they are; a rest of bits needs a mask.
    private static func compare(
        _ block: CIDR, _ inverted: Bool, at offset: UInt32, _ expressions: inout [Expression]
    ) {
        let comparison: Comparison = inverted ? .notEqual : .equal
        let bits = block.prefixLength
        let bytes = block.address.networkBytes
        if bits % 8 == 0, bits > 0 {
            expressions.append(.payload(base: .network, offset: offset, length: UInt32(bits / 8), .first))
            expressions.append(.compare(.first, comparison, Array(bytes.prefix(bits / 8))))
            return
        }
        expressions.append(.payload(base: .network, offset: offset, length: UInt32(bytes.count), .first))
        let zeros = [UInt8](repeating: 0, count: bytes.count)
        expressions.append(.bitwise(.first, mask: Extension.mask(bits, bytes.count), xor: zeros))
        expressions.append(.compare(.first, comparison, bytes))
    }

    private static func hostBytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
}

extension XTTarget {
    fileprivate func expression(_ family: IPFamily, _ sets: SetIndices) -> Expression {
        switch self {
        case .jump(let chain): .verdict(.jump(chain))
        case .goto(let chain): .verdict(.goto(chain))
        case .accept: .verdict(.accept)
        case .drop: .verdict(.drop)
        case .return: .verdict(.return)
        case .setMark(let value, let mask):
            .target(name: "MARK", revision: 2, payload: Extension.setMark(value, mask))
        case .masquerade(let isRandom):
            .target(name: "MASQUERADE", revision: 0, payload: Extension.masquerade(isRandom, family))
        case .redirect(let address, let port):
            .target(name: "DNAT", revision: 2, payload: Extension.redirect(address, port))
        case .mapMark(let name, let directions):
            .target(name: "SET", revision: 3, payload: Extension.mapMark(sets[name] ?? SetIndices.none, directions))
        case .reject:
            .target(name: "REJECT", revision: 0, payload: Extension.reject(family))
        }
    }
}

extension IPFamily {
    /// Where the source address lies in the header (RFC 791, RFC 8200).
    var sourceOffset: UInt32 { self == .ipv4 ? 12 : 8 }
    /// Where the destination address lies in the header.
    var destinationOffset: UInt32 { self == .ipv4 ? 16 : 24 }
}
