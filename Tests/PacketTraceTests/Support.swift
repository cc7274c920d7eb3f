import NFTables
import NetAddress
import PacketTrace
import Testing

/// Text that is known to be an address.
func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// A small ruleset of one table, made by hand.
struct TestTable {
    var content: Ruleset.Content

    init(_ family: IPFamily = .ipv4) {
        content = Ruleset.Content(table: Table(family: family, name: "t"), sets: [], chains: [])
    }

    var family: IPFamily { content.table.family }
    var ruleset: Ruleset { Ruleset(tables: [content]) }

    mutating func chain(_ name: String, _ hook: Chain.Hook?, _ rules: [[Statement]]) {
        chain(name, hook, rules: rules.map { Rule(family, $0) })
    }

    mutating func chain(_ name: String, _ hook: Chain.Hook?, rules: [Rule]) {
        content.chains.append((Chain(family: family, table: "t", name: name, hook: hook), rules))
    }

    mutating func set(
        _ name: String, _ key: [Field], data: [Field]? = nil, holdsRanges: Bool = false,
        _ elements: [(ElementKey, ElementValue)], _ change: (inout SetDefinition) -> Void = { _ in }
    ) {
        var definition = SetDefinition(
            family: family, table: "t", name: name, key: key, data: data, holdsRanges: holdsRanges)
        change(&definition)
        content.sets.append((definition, elements))
    }

    /// What becomes of a packet from 192.0.2.100 to 10.0.0.1:80, or from where and to where the arguments say.
    func path(
        from source: String = "192.0.2.100", to destination: String = "10.0.0.1", port: UInt16 = 80,
        transport: TransportProtocol = .tcp, origin: Packet.Origin = .interface("eth0"),
        limits: LimitAssumption = .within
    ) throws -> PacketPath {
        let packet = try Packet(
            from: ip(source), to: SocketAddress(ip(destination), port), transport: transport, origin: origin)
        let node = try NodeView(addresses: [ip("192.0.2.10"), ip("2001:db8::10")])
        return Tracer(ruleset).path(of: try #require(packet), on: node, limits: limits)
    }

    /// Whether a packet is dropped by a chain with this rule and `drop` behind it.
    static func matches(
        _ expressions: [Expression], _ family: IPFamily = .ipv4, at point: Chain.Point = .prerouting,
        sets: (inout TestTable) -> Void = { _ in }, path: (TestTable) throws -> PacketPath = { try $0.path() }
    ) throws -> Bool {
        var table = TestTable(family)
        sets(&table)
        table.chain("c", .filter(point), rules: [Rule(observed: expressions + [.verdict(.drop)])])
        return try path(table).probability(of: .dropped) == .one
    }
}

extension Chain.Hook {
    static func filter(_ point: Chain.Point, _ priority: Int32 = 0) -> Self {
        Chain.Hook(kind: .filter, point: point, priority: priority)
    }

    static func nat(_ point: Chain.Point, _ priority: Int32 = 0) -> Self {
        Chain.Hook(kind: .nat, point: point, priority: priority)
    }
}

extension ElementKey {
    static func key(_ address: String, _ transport: TransportProtocol? = nil, _ port: UInt16? = nil) throws -> Self {
        var key = ElementKey()
        key.append(try ip(address))
        if let transport { key.append(transport) }
        if let port { key.append(port: port) }
        return key
    }

    func slot(_ slot: UInt32) -> Self {
        var key = self
        key.append(slot: slot)
        return key
    }
}

/// The bytes of a number in host byte order.
func host(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

func third(_ numerator: UInt64 = 1) throws -> Fraction { try #require(Fraction(numerator, 3)) }

/// `ip daddr . meta l4proto . th dport`
let serviceKey: [Field] = [.destinationAddress(.ipv4), .transportProtocol, .destinationPort]
let endpointData: [Field] = [.destinationAddress(.ipv4), .destinationPort]
