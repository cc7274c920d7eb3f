import NFTables
import NetAddress
import PacketTrace
import Testing

/// Look-ups in sets, maps and ranges, and rules that fill sets.
struct SetTests {
    static func lookup(_ fields: [Field], _ set: String, inverted: Bool = false) -> [Statement] {
        [.member(fields, of: set, inverted: inverted), .verdict(.drop)]
    }

    private func isDropped(
        _ statements: [Statement], limits: LimitAssumption = .within, _ fill: (inout TestTable) throws -> Void
    ) throws -> Bool {
        var table = TestTable()
        try fill(&table)
        table.chain("c", .filter(.prerouting), [statements])
        return try table.path(limits: limits).probability(of: .dropped) == .one
    }

    @Test func members() throws {
        for (key, isThere) in [
            (try ElementKey.key("10.0.0.1", .tcp, 80), true), (try .key("10.0.0.1", .udp, 80), false),
            (try .key("10.0.0.1", .tcp, 81), false), (try .key("10.0.0.2", .tcp, 80), false),
        ] {
            for inverted in [false, true] {
                let dropped = try isDropped(Self.lookup(serviceKey, "s", inverted: inverted)) {
                    $0.set("s", serviceKey, [(key, .member)])
                }
                #expect(dropped == (isThere != inverted))
            }
        }
    }

    /// A key of one part that is no whole word is shorter in the kernel than in a concatenation.
    @Test func shortKeys() throws {
        for bytes in [[0, 80], [0, 80, 0, 0]] as [[UInt8]] {
            let key = try #require(bytes.withUnsafeBytes { ElementKey(bytes: $0) })
            #expect(
                try isDropped(Self.lookup([.destinationPort], "s")) {
                    $0.set("s", [.destinationPort], [(key, .member)])
                })
        }
    }

    @Test func catchAll() throws {
        func dropped(_ others: [(ElementKey, ElementValue)], inverted: Bool) throws -> Bool {
            try isDropped(Self.lookup(serviceKey, "s", inverted: inverted)) {
                $0.set("s", serviceKey, [(.catchAll, .member)] + others)
            }
        }
        for others in [[], [(try ElementKey.key("10.0.0.1", .tcp, 80), ElementValue.member)]] {
            #expect(try dropped(others, inverted: false))
            #expect(try !dropped(others, inverted: true))
        }
    }

    @Test(arguments: [
        ("10.0.0.1", "192.0.2.96", "192.0.2.127", true), ("10.0.0.1", "192.0.2.100", "192.0.2.100", true),
        ("10.0.0.1", "192.0.2.101", "192.0.2.255", false), ("10.0.0.2", "0.0.0.0", "255.255.255.255", false),
    ])
    func ranges(address: String, start: String, end: String, isThere: Bool) throws {
        let fields = serviceKey + [.sourceAddress(.ipv4)]
        let dropped = try isDropped([.member(fields, of: "s"), .verdict(.drop)]) { table in
            var (from, to) = (try ElementKey.key(address, .tcp, 80), try ElementKey.key(address, .tcp, 80))
            from.append(try ip(start))
            to.append(try ip(end))
            var other = try ElementKey.key("10.0.0.9", .tcp, 80)
            other.append(try ip("192.0.2.100"))
            table.set("s", fields, holdsRanges: true, [(from, .range(end: to)), (other, .range(end: other))])
        }
        #expect(dropped == isThere)
    }

    /// Ranges may also be in a leading part.
    @Test func leadingRanges() throws {
        let fields: [Field] = [.sourceAddress(.ipv4), .destinationPort]
        let dropped = try isDropped([.member(fields, of: "s"), .verdict(.drop)]) { table in
            var (from, to) = (try ElementKey.key("192.0.0.0"), try ElementKey.key("192.255.255.255"))
            from.append(port: 80)
            to.append(port: 80)
            table.set("s", fields, holdsRanges: true, [(from, .range(end: to))])
        }
        #expect(dropped)
    }

    @Test func slots() throws {
        let key = serviceKey + [.randomSlot(modulus: 3)]
        func table(slots: [UInt32]) throws -> TestTable {
            var table = TestTable()
            let elements = try slots.map { slot in
                let endpoint = try SocketAddress(ip("10.1.0.\(slot + 1)"), 8080)
                return (try ElementKey.key("10.0.0.1", .tcp, 80).slot(slot), ElementValue.endpoint(endpoint))
            }
            table.set("endpoints", key, data: endpointData, elements)
            table.chain("c", .nat(.prerouting), [[.redirect(.ipv4, key, map: "endpoints")]])
            return table
        }
        let all = try table(slots: [0, 1, 2]).path()
        #expect(all.outcomes.count == 3)
        #expect(try all.outcomes.allSatisfy { try $0.probability == third() })
        #expect(
            all.text().contains(
                "c: one of 3 slots of endpoints: 10.1.0.1:8080 (1/3), 10.1.0.2:8080 (1/3), 10.1.0.3:8080 (1/3); redirected\n"
            ))
        // A slot that somebody deleted leaves a third of the connections as they are.
        let torn = try table(slots: [0, 2]).path()
        #expect(try torn.probability(of: .unchanged) == third())
        #expect(torn.outcomes.count == 3)
        #expect(torn.text().contains("nothing (1/3)"))
    }

    /// What a rule remembers is there for the rules behind it.
    @Test func remembering() throws {
        let client: [Field] = [.sourceAddress(.ipv4)]
        var table = TestTable()
        table.set("seen", client, [], { $0.isDynamic = true })
        table.set("where", client, data: [.destinationAddress(.ipv4)], [], { $0.isDynamic = true })
        table.chain(
            "c", .filter(.prerouting),
            [
                [.updateSet(.update, "seen", client, timeout: 60)],
                [.updateSet(.add, "where", client, data: [.destinationAddress(.ipv4)])],
                [.member(client, of: "seen"), .setDestination(.ipv4, client, map: "where"), .setMark(1)],
                [.updateSet(.delete, "seen", client)],
                [.member(client, of: "seen"), .verdict(.drop)],
                [.markIsSet(1), .reject],
            ])
        let path = try table.path()
        #expect(path.outcomes.map(\.outcome) == [.refused])
        let text = path.text()
        #expect(text.contains("remembers 192.0.2.100 in seen for 60 s"))
        #expect(text.contains("remembers 192.0.2.100 : 10.0.0.1 in where"))
        #expect(text.contains("forgets 192.0.2.100 in seen"))
    }

    @Test(arguments: [StatefulExpression.rateOver(perSecond: 5, burst: 5), .connectionsOver(3)])
    func limits(limit: StatefulExpression) throws {
        let client: [Field] = [.sourceAddress(.ipv4)]
        // By a rule, by an element, and by a set.
        let ways: [([Statement], (inout TestTable) throws -> Void)] = [
            ([.updateSet(.update, "s", client, limit), .verdict(.drop)], { $0.set("s", client, []) }),
            (
                Self.lookup(client, "s"),
                { $0.set("s", client, [(try .key("192.0.2.100"), .stateful(limit, comment: nil))]) }
            ),
            (
                Self.lookup(client, "s"),
                { $0.set("s", client, [(try .key("192.0.2.100"), .member)]) { $0.expression = limit } }
            ),
        ]
        for (statements, fill) in ways {
            #expect(try !isDropped(statements, fill))
            #expect(try isDropped(statements, limits: .exceeded, fill))
            var table = TestTable()
            try fill(&table)
            table.chain("c", .filter(.prerouting), [statements])
            let path = try table.path()
            #expect(path.metLimit)
            #expect(path.notes.contains { $0.contains("\(limit) in s") })
        }
    }

    @Test func unlimited() throws {
        let client: [Field] = [.sourceAddress(.ipv4)]
        #expect(
            try isDropped([.updateSet(.update, "s", client, .counter), .verdict(.drop)]) { $0.set("s", client, []) })
    }
}
