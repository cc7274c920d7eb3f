public import NetAddress

/// One part of a rule as nft's language has it. Each becomes a few kernel instructions, the same ones that nft makes.
public enum Statement: Hashable, Sendable {
    /// `ip daddr . meta l4proto . th dport @set`, or `!= @set`.
    case member([Field], of: String, inverted: Bool = false)
    /// `ip saddr 10.0.0.0/8` or `ip saddr != 10.0.0.0/8`. A zero-length prefix matches everything.
    case address(Direction, Comparison, CIDR)
    /// `fib daddr type local`: the address is one of the node's own.
    case isLocal(Direction, Bool = true)
    /// `ip daddr & 0.0.0.63 == 0.0.0.5`: the last bits of the destination, at most eight of them.
    case lowBits(IPFamily, mask: UInt8, value: UInt8)
    /// `meta l4proto tcp`.
    case transportIs(TransportProtocol)
    /// `iifname "eth0"` or `iifname != "eth0"`; `iifname "veth*"` for all names that begin so.
    case inputInterface(String, isPrefix: Bool, Comparison = .equal)
    /// `ct state new`: a packet of a connection that nobody has answered yet.
    case connectionIsNew
    /// `ct status ! confirmed`: the first packet of a connection. Later ones are of state new as well for as long as nobody
    /// answers, which with one-way UDP is for ever.
    case connectionBegins
    /// `ct status dnat`: the connection was redirected.
    case connectionIsRedirected
    /// `meta mark & BIT == BIT`.
    case markIsSet(UInt32)
    /// `meta mark set meta mark | BIT`.
    case setMark(UInt32)
    /// `meta mark set meta mark ^ BIT`: clears a bit that is known to be set.
    case flipMark(UInt32)
    /// `ip daddr set KEY map @map`, or `ip daddr set FIELD`: writes an address into the packet. Connection tracking goes on
    /// with the addresses that it has seen.
    case setDestination(IPFamily, [Field], map: String? = nil)
    /// `update @set { KEY timeout 1h limit rate over 5/second }`, or `update @map { KEY timeout 1h : DATA }`: the rule goes
    /// on if the expression matches. The timeout is in seconds; 0 stands for the set's own.
    case updateSet(
        SetOperation, String, [Field], data: [Field]? = nil, timeout: UInt32 = 0, StatefulExpression? = nil)
    /// `dnat ip to KEY map @map`: redirects to the address and port that the map gives; goes on with the next rule if
    /// it gives none.
    case redirect(IPFamily, [Field], map: String)
    /// `masquerade fully-random`: source ports are drawn at random, so that two clients seldom want the same
    /// (semantics 24).
    case masquerade
    /// `reject`: port unreachable, which makes connect() fail with ECONNREFUSED (semantics 29).
    case reject
    case verdict(Verdict)

    public enum Direction: Hashable, Sendable {
        case source
        case destination
    }
}

// MARK: - Kernel instructions

extension Statement {
    /// The instructions for a rule in a table of this family.
    func expressions(_ family: IPFamily) -> [Expression] {
        switch self {
        case .member(let fields, let set, let inverted):
            fields.load() + [.lookup(set: set, .first, destination: nil, inverted: inverted)]
        case .address(let direction, let comparison, let block):
            Self.compare(direction, comparison, block)
        case .isLocal(let direction, let isLocal):
            [
                .addressType(direction == .source ? .source : .destination, .first),
                .compare(.first, isLocal ? .equal : .notEqual, Self.hostBytes(routeTypeLocal)),
            ]
        case .lowBits(let family, let mask, let value): Self.lowBits(family, mask, value)
        case .transportIs(let transport):
            [.meta(.transportProtocol, .first), .compare(.first, .equal, [transport.rawValue])]
        case .inputInterface(let name, let isPrefix, let comparison):
            [.meta(.inputInterfaceName, .first), .compare(.first, comparison, Self.interfaceBytes(name, isPrefix))]
        case .connectionIsNew: Self.testBit(.connection(.state, .first), stateNew)
        case .connectionBegins: Self.testBit(.connection(.status, .first), statusConfirmed, isSet: false)
        case .connectionIsRedirected: Self.testBit(.connection(.status, .first), statusDestinationNAT)
        case .markIsSet(let bit):
            [
                .meta(.mark, .first),
                .bitwise(.first, mask: Self.hostBytes(bit), xor: Self.hostBytes(0)),
                .compare(.first, .equal, Self.hostBytes(bit)),
            ]
        case .setMark(let bit): Self.changeMark(mask: ~bit, xor: bit)
        case .flipMark(let bit): Self.changeMark(mask: .max, xor: bit)
        case .setDestination(let family, let fields, let map): Self.setDestination(family, fields, map)
        case .updateSet(let operation, let set, let key, let data, let timeout, let expression):
            key.load() + (data?.load(from: Self.dataWord(after: key)) ?? []) + [
                .updateSet(
                    operation, set: set, key: .first, data: data.map { _ in Register(word: Self.dataWord(after: key)) },
                    timeout: UInt64(timeout) * 1000, expression)
            ]
        case .redirect(let family, let fields, let map):
            fields.load() + [
                .lookup(set: map, .first, destination: .first, inverted: false),
                .destinationNAT(
                    familyNumber: UInt32(family.netfilterNumber), address: .first,
                    port: Register(word: family.addressLength / 4)),
            ]
        case .masquerade: [.masquerade(flags: fullyRandom)]
        case .reject: [.reject(type: 0, code: family == .ipv4 ? 3 : 4)]
        case .verdict(let verdict): [.verdict(verdict)]
        }
    }

    /// Whole bytes of a prefix are compared as they are; a rest of bits needs a mask.
    private static func compare(_ direction: Direction, _ comparison: Comparison, _ block: CIDR) -> [Expression] {
        let family = block.family
        let field: Field = direction == .source ? .sourceAddress(family) : .destinationAddress(family)
        guard case .payload(let base, let offset, let whole, let register) = field.load(into: .first) else { return [] }
        let bits = block.prefixLength
        let bytes = block.address.networkBytes
        if bits % 8 == 0, bits > 0 {
            return [
                .payload(base: base, offset: offset, length: UInt32(bits / 8), register),
                .compare(register, comparison, Array(bytes.prefix(bits / 8))),
            ]
        }
        let mask = (0..<bytes.count).map { index -> UInt8 in
            let covered = Swift.min(Swift.max(bits - index * 8, 0), 8)
            return UInt8(truncatingIfNeeded: 0xff00 >> covered)
        }
        return [
            .payload(base: base, offset: offset, length: whole, register),
            .bitwise(register, mask: mask, xor: [UInt8](repeating: 0, count: bytes.count)),
            .compare(register, comparison, bytes),
        ]
    }

    private static func lowBits(_ family: IPFamily, _ mask: UInt8, _ value: UInt8) -> [Expression] {
        let head = [UInt8](repeating: 0, count: family.addressLength - 1)
        return [
            Field.destinationAddress(family).load(into: .first),
            .bitwise(.first, mask: head + [mask], xor: head + [0]), .compare(.first, .equal, head + [value]),
        ]
    }

    /// `IFNAMSIZ` bytes of a name, padded with zeros, or just those that a prefix has (linux/if.h).
    private static func interfaceBytes(_ name: String, _ isPrefix: Bool) -> [UInt8] {
        let bytes = Array(name.utf8.prefix(15))
        return isPrefix ? bytes : bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
    }

    private static func setDestination(_ family: IPFamily, _ fields: [Field], _ map: String?) -> [Expression] {
        let lookup = map.map { Expression.lookup(set: $0, .first, destination: .first, inverted: false) }
        guard case .payload(let base, let offset, let length, _) = Field.destinationAddress(family).load(into: .first)
        else { return [] }
        // IPv6 has no checksum of its own.
        let write = Expression.setPayload(
            base: base, offset: offset, length: length, .first, checksumOffset: family == .ipv4 ? 10 : nil)
        return fields.load() + (lookup.map { [$0] } ?? []) + [write]
    }

    /// Data begin at a multiple of 16 bytes, as nft has them, where there is room for that.
    private static func dataWord(after key: [Field]) -> Int {
        let words = key.paddedLength / 4
        return words <= 8 ? (words + 3) / 4 * 4 : words
    }

    private static func testBit(_ load: Expression, _ bit: UInt32, isSet: Bool = true) -> [Expression] {
        [
            load, .bitwise(.first, mask: hostBytes(bit), xor: hostBytes(0)),
            .compare(.first, isSet ? .notEqual : .equal, hostBytes(0)),
        ]
    }

    private static func changeMark(mask: UInt32, xor: UInt32) -> [Expression] {
        [
            .meta(.mark, .first), .bitwise(.first, mask: hostBytes(mask), xor: hostBytes(xor)),
            .setMeta(.mark, .first),
        ]
    }

    private static func hostBytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
}

/// `NF_CT_STATE_BIT(IP_CT_NEW)` (linux/netfilter/nf_conntrack_common.h).
private let stateNew: UInt32 = 8
/// `IPS_CONFIRMED` (linux/netfilter/nf_conntrack_common.h): a packet has passed all hooks.
private let statusConfirmed: UInt32 = 8
/// `IPS_DST_NAT` (linux/netfilter/nf_conntrack_common.h).
private let statusDestinationNAT: UInt32 = 32
/// `RTN_LOCAL` (linux/rtnetlink.h).
private let routeTypeLocal: UInt32 = 2
/// `NF_NAT_RANGE_PROTO_RANDOM_FULLY` (linux/netfilter/nf_nat.h).
private let fullyRandom: UInt32 = 16
