import NFTables
import NetAddress
import PacketTrace
import Testing

/// The packet path: hooks, chains, NAT.
struct HookTests {
    private func stages(_ path: PacketPath) -> [String] { path.stages.map(\.chain) }

    /// A table with a chain at every hook.
    private func everywhere() -> TestTable {
        var table = TestTable()
        for point in Chain.Point.allCases { table.chain("\(point)", .filter(point), [[.setMark(1)]]) }
        return table
    }

    @Test func ways() throws {
        let table = everywhere()
        #expect(try stages(table.path()) == ["prerouting", "forward", "postrouting"])
        #expect(try stages(table.path(to: "192.0.2.10")) == ["prerouting", "input"])
        #expect(try stages(table.path(from: "192.0.2.10", origin: .node)) == ["output", "postrouting"])
        #expect(
            try stages(table.path(from: "192.0.2.10", to: "127.0.0.1", origin: .node))
                == ["output", "postrouting", "prerouting", "input"])
    }

    @Test func priorities() throws {
        var table = TestTable()
        table.chain("late", .filter(.prerouting, 10), [])
        table.chain("first made", .filter(.prerouting, 0), [])
        // Wherever NAT chains say they are, the kernel runs them at -100.
        table.chain("nat", .nat(.prerouting, 300), [])
        table.chain("earlier nat", .nat(.prerouting, 200), [])
        table.chain("later made", .filter(.prerouting, 0), [])
        table.chain("early", .filter(.prerouting, -110), [])
        #expect(
            try stages(table.path()) == ["early", "earlier nat", "nat", "later made", "first made", "late"])
    }

    @Test func dormantTables() throws {
        var table = everywhere()
        table.content.table.flags = 1
        #expect(try table.path().stages.isEmpty)
    }

    @Test func otherFamily() throws {
        var table = TestTable(.ipv6)
        table.chain("c", .filter(.prerouting), [[.verdict(.drop)]])
        #expect(try table.path().outcomes.map(\.outcome) == [.unchanged])
        #expect(try table.path(from: "fd00::1", to: "fd00::2").outcomes.map(\.outcome) == [.dropped])
    }

    @Test func policies() throws {
        var table = TestTable()
        var hook = Chain.Hook.filter(.forward)
        hook.acceptsByDefault = false
        table.chain("c", hook, [[.transportIs(.udp), .verdict(.accept)]])
        #expect(try table.path().outcomes.map(\.outcome) == [.dropped])
        #expect(try table.path(transport: .udp).outcomes.map(\.outcome) == [.unchanged])
        #expect(try table.path().text().contains("dropped by the chain's policy"))
    }

    /// What a verdict does: each rule list is followed by `drop` in the base chain.
    @Test(
        arguments: [
            ([[.verdict(.jump("a"))]], Outcome.dropped),
            ([[.verdict(.goto("a"))]], .unchanged),
            ([[.verdict(.jump("b"))]], .unchanged),
            ([[.verdict(.jump("c"))]], .dropped),
            ([[.verdict(.return)]], .unchanged),
            ([[.verdict(.continue)]], .dropped),
            ([[.verdict(.accept)]], .unchanged),
            ([[.verdict(.jump("nowhere"))]], .dropped),
            ([[.verdict(.jump("loop"))]], .dropped),
            ([[.verdict(.other(3))]], .dropped),
        ] as [([[Statement]], Outcome)])
    func verdicts(rules: [[Statement]], outcome: Outcome) throws {
        var table = TestTable()
        table.chain("base", .filter(.prerouting), rules + [[.verdict(.drop)]])
        table.chain("a", nil, [[.verdict(.return)], [.verdict(.accept)]])
        table.chain("b", nil, [[.verdict(.accept)]])
        // What is jumped to by `goto` returns to who jumped last.
        table.chain("c", nil, [[.verdict(.goto("a"))], [.verdict(.accept)]])
        table.chain("loop", nil, [[.verdict(.jump("loop"))]])
        #expect(try table.path().outcomes.map(\.outcome) == [outcome])
    }

    /// The kernel does not take such rules; reading them must not hang.
    @Test func rulesWithoutEnd() throws {
        var table = TestTable()
        table.chain("base", .filter(.prerouting), [[.verdict(.jump("loop"))]])
        table.chain("loop", nil, [[.verdict(.jump("loop"))], [.verdict(.jump("loop"))]])
        #expect(try table.path().notes.contains { $0.contains("lead on and on") })
    }

    @Test func accepting() throws {
        // Accepting ends a base chain, and the next one may still drop.
        var table = TestTable()
        table.chain("one", .filter(.forward, 0), [[.verdict(.accept)], [.reject]])
        table.chain("two", .filter(.forward, 1), [[.verdict(.drop)]])
        #expect(try table.path().outcomes.map(\.outcome) == [.dropped])
    }

    private func translating(to address: String, _ port: UInt16 = 8080) throws -> TestTable {
        var table = TestTable()
        table.set(
            "map", serviceKey, data: endpointData,
            [(try .key("10.0.0.1", .tcp, 80), .endpoint(SocketAddress(try ip(address), port)))])
        for point in [Chain.Point.prerouting, .output] {
            table.chain("nat \(point)", .nat(point), [[.redirect(.ipv4, serviceKey, map: "map")], [.verdict(.drop)]])
        }
        return table
    }

    @Test func destinationNAT() throws {
        var table = try translating(to: "10.1.0.1")
        let load: [Expression] = [
            .connectionTuple(.destinationIPv4, .original, .first), .compare(.first, .equal, [10, 0, 0, 1]),
            .connectionTuple(.sourceIPv4, .reply, .first), .compare(.first, .equal, [10, 1, 0, 1]),
            .payload(base: .network, offset: 16, length: 4, .first), .compare(.first, .equal, [10, 1, 0, 1]),
            .payload(base: .transport, offset: 2, length: 2, .first), .compare(.first, .equal, [31, 144]),
            .setMeta(.mark, .first),
        ]
        table.chain("look", .filter(.forward), rules: [Rule(observed: load)])
        table.chain(
            "check", .filter(.postrouting),
            [[.connectionIsRedirected, .markIsSet(31), .verdict(.accept)], [.verdict(.drop)]])
        let endpoint = SocketAddress(try ip("10.1.0.1"), 8080)
        let path = try table.path()
        #expect(path.outcomes.map(\.outcome) == [.delivered(to: endpoint, masqueraded: false)], "\(path.text())")
    }

    /// Look-ups count whether or not anything is found; of several ways, the longest counts.
    @Test func lookups() throws {
        var table = TestTable()
        #expect(try table.path().lookups == 0)
        table.set("empty", serviceKey, [])
        table.set(
            "slots", [.randomSlot(modulus: 4)], [(ElementKey().slot(1), .member), (ElementKey().slot(2), .member)])
        let isMember = Statement.member(serviceKey, of: "empty")
        table.chain("one", .filter(.prerouting, 0), [[isMember, isMember, .setMark(1)]])
        #expect(try table.path().lookups == 1)
        table.chain("two", .filter(.prerouting, 1), [[.member([.randomSlot(modulus: 4)], of: "slots"), isMember]])
        #expect(try table.path().lookups == 3)
        table.chain(
            "three", .filter(.prerouting, 2), [[.member(serviceKey, of: "empty", inverted: true), .setMark(1)]])
        #expect(try table.path().lookups == 4)
    }

    /// Where it would go anyway is no redirection, but it is decided.
    @Test func destinationNATToItself() throws {
        var table = try translating(to: "10.0.0.1", 80)
        table.chain("check", .filter(.forward), [[.connectionIsRedirected, .verdict(.drop)]])
        #expect(try table.path().outcomes.map(\.outcome) == [.unchanged])
    }

    /// A redirected connection to the node comes in again without being translated twice.
    @Test func loopback() throws {
        var table = try translating(to: "192.0.2.10")
        table.chain(
            "in", .filter(.input), [[.inputInterface("lo", isPrefix: false), .connectionIsRedirected, .reject]])
        let path = try table.path(from: "192.0.2.10", origin: .node)
        #expect(path.outcomes.map(\.outcome) == [.refused])
        #expect(stages(path) == ["nat output", "in"])
    }

    @Test func masquerading() throws {
        var table = try translating(to: "10.1.0.1")
        table.chain("post", .nat(.postrouting, 100), [[.connectionIsRedirected, .masquerade], [.verdict(.drop)]])
        table.chain("post2", .nat(.postrouting, 101), [[.verdict(.drop)]])
        let load: [Expression] = [
            .payload(base: .network, offset: 12, length: 4, .first), .compare(.first, .equal, [192, 0, 2, 100]),
        ]
        table.chain("after", .filter(.postrouting, 200), rules: [Rule(observed: load + [.verdict(.drop)])])
        let endpoint = SocketAddress(try ip("10.1.0.1"), 8080)
        let path = try table.path()
        #expect(path.outcomes.map(\.outcome) == [.delivered(to: endpoint, masqueraded: true)])
        #expect(stages(path) == ["nat prerouting", "post", "after"])
        #expect(path.text().contains("\n  post: ct status dnat; masqueraded\npostrouting: masqueraded\n"))
        #expect(path.text().contains("\n= 10.1.0.1:8080, masqueraded\n"))
        #expect(path.notes == ["ip saddr is not known; taken as different from 192.0.2.100"])
    }

    @Test func natWhereThereIsNone() throws {
        var table = TestTable()
        table.chain("c", .filter(.prerouting), [[.masquerade], [.verdict(.drop)]])
        #expect(try table.path().outcomes.map(\.outcome) == [.dropped])
    }

    /// With many endpoints, the text names some and JSON all.
    @Test func manyEndpoints() throws {
        let key = serviceKey + [.randomSlot(modulus: 43)]
        var table = TestTable()
        table.set(
            "endpoints_43", key, data: endpointData,
            try (0..<43).map { slot in
                (try .key("10.0.0.1", .tcp, 80).slot(slot), .endpoint(SocketAddress(try ip("10.1.0.\(slot)"), 8080)))
            })
        table.chain("c", .nat(.prerouting), [[.redirect(.ipv4, key, map: "endpoints_43")]])
        let path = try table.path()
        #expect(path.outcomes.count == 43)
        #expect(path.text().contains("10.1.0.9:8080 (1/43) and 33 more; redirected"))
        #expect(
            path.text().hasSuffix("= 10.1.0.9:8080 with probability 1/43\n= 33 more, together with probability 33/43\n")
        )
        #expect(path.json.description.contains("10.1.0.42"))
    }
}
