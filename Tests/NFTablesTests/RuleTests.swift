import DataplaneTestKit
import NFTables
import NetAddress
import Netlink
import Testing

@Suite struct RuleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var statements: [Statement]
        var text: String
        var testDescription: String { text }

        init(_ statements: [Statement], _ text: String) {
            self.statements = statements
            self.text = text
        }
    }

    static func block(_ text: String) -> CIDR { CIDR(text) ?? CIDR(IPAddress(ipv4: 0)) }
    static let key: [Field] = [.destinationAddress(.ipv4), .transportProtocol, .destinationPort]

    /// One of each statement, in a table of IPv4, as nft lists it.
    static let cases = [
        Case([.member(key, of: "services")], "ip daddr . meta l4proto . th dport @services"),
        Case(
            [.member(key, of: "services", inverted: true), .verdict(.drop)],
            "ip daddr . meta l4proto . th dport != @services drop"),
        Case(
            [.member(key + [.sourceAddress(.ipv4)], of: "ranges"), .verdict(.drop)],
            "ip daddr . meta l4proto . th dport . ip saddr @ranges drop"),
        Case([.address(.source, .equal, block("10.0.0.0/8")), .verdict(.accept)], "ip saddr 10.0.0.0/8 accept"),
        Case(
            [.address(.source, .notEqual, block("10.1.0.0/20")), .verdict(.return)], "ip saddr != 10.1.0.0/20 return"),
        Case(
            [.address(.destination, .equal, block("192.0.2.7/32")), .verdict(.continue)], "ip daddr 192.0.2.7 continue"),
        Case(
            [.address(.destination, .equal, block("192.0.2.128/25")), .verdict(.drop)], "ip daddr 192.0.2.128/25 drop"),
        Case([.isLocal(.destination), .verdict(.goto("other"))], "fib daddr type local goto other"),
        Case([.isLocal(.source, false), .verdict(.jump("other"))], "fib saddr type != local jump other"),
        Case([.connectionIsNew, .reject], "ct state new reject"),
        Case([.connectionIsNew, .connectionBegins, .reject], "ct state new ct status ! confirmed reject"),
        Case([.connectionIsRedirected, .masquerade], "ct status dnat masquerade fully-random"),
        Case(
            [.markIsSet(0x4000), .flipMark(0x4000), .masquerade],
            "meta mark & 0x00004000 == 0x00004000 meta mark set meta mark ^ 0x00004000 masquerade fully-random"),
        Case([.setMark(0x8000_0000)], "meta mark set meta mark | 0x80000000"),
        Case(
            [.redirect(.ipv4, key + [.randomSlot(modulus: 3)], map: "endpoints")],
            "dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @endpoints"),
        Case(
            [.redirect(.ipv4, key + [.sourceSlot(.ipv4, modulus: 3)], map: "endpoints")],
            "dnat ip to ip daddr . meta l4proto . th dport . jhash ip saddr mod 3 seed 0x73766363 map @endpoints"),
        Case(
            [.redirect(.ipv4, key + [.nextSlot(modulus: 3)], map: "endpoints")],
            "dnat ip to ip daddr . meta l4proto . th dport . numgen inc mod 3 map @endpoints"),
        Case([.lowBits(.ipv4, mask: 63, value: 5), .verdict(.drop)], "ip daddr & 0.0.0.63 == 0.0.0.5 drop"),
        Case([.inputInterface("veth", isPrefix: true), .verdict(.drop)], "iifname \"veth*\" drop"),
        Case([.inputInterface("cni0", isPrefix: false), .verdict(.drop)], "iifname \"cni0\" drop"),
        Case([.inputInterface("lo", isPrefix: false, .notEqual), .verdict(.drop)], "iifname != \"lo\" drop"),
        Case(
            [.setDestination(.ipv4, key, map: "numbers"), .verdict(.goto("other"))],
            "ip daddr set ip daddr . meta l4proto . th dport map @numbers goto other"),
        Case([.setDestination(.ipv4, [.originalDestination(.ipv4)])], "ip daddr set ct original ip daddr"),
        Case([.setDestination(.ipv4, [.replySource(.ipv4)])], "ip daddr set ct reply ip saddr"),
        Case(
            [
                .transportIs(.sctp),
                .setDestination(
                    .ipv4, [.originalDestination(.ipv4), .connectionProtocol, .originalDestinationPort],
                    map: "numbers"),
                .verdict(.goto("other")),
            ],
            "meta l4proto sctp ip daddr set ct original ip daddr . ct protocol . ct original proto-dst map @numbers "
                + "goto other"),
        Case(
            [
                .updateSet(
                    .update, "affinity", [.originalSource(.ipv4), .destinationAddress(.ipv4), .transportProtocol],
                    data: [.replySource(.ipv4), .destinationPort], timeout: 95405),
                .verdict(.goto("other")),
            ],
            "update @affinity { ct original ip saddr . ip daddr . meta l4proto timeout 1d2h30m5s : "
                + "ct reply ip saddr . th dport } goto other"),
        Case(
            [
                .updateSet(
                    .delete, "affinity", [.originalSource(.ipv4), .destinationAddress(.ipv4), .transportProtocol],
                    data: [.replySource(.ipv4), .destinationPort]), .verdict(.drop),
            ],
            "delete @affinity { ct original ip saddr . ip daddr . meta l4proto : ct reply ip saddr . th dport } drop"),
        Case(
            [
                .updateSet(
                    .update, "rates", [.sourceAddress(.ipv4), .destinationAddress(.ipv4)], timeout: 60,
                    .rateOver(perSecond: 10, burst: 20)), .verdict(.drop),
            ],
            "update @rates { ip saddr . ip daddr timeout 1m limit rate over 10/second burst 20 packets } drop"),
        Case(
            [
                .updateSet(
                    .update, "rates", [.sourceAddress(.ipv4), .destinationAddress(.ipv4)],
                    .rateOver(perSecond: 7, burst: 5)), .verdict(.drop),
            ],
            "update @rates { ip saddr . ip daddr limit rate over 7/second } drop"),
        Case(
            [
                .updateSet(
                    .add, "connections", [.sourceAddress(.ipv4), .destinationAddress(.ipv4)], .connectionsOver(3)),
                .verdict(.drop),
            ],
            "add @connections { ip saddr . ip daddr ct count over 3 } drop"),
    ]

    /// The sets that the cases look into and write to.
    static let sets: [SetDefinition] = {
        let pair: [Field] = [.sourceAddress(.ipv4), .destinationAddress(.ipv4)]
        let endpoint: [Field] = [.destinationAddress(.ipv4), .destinationPort]
        var affinity = SetDefinition(
            family: .ipv4, table: "round", name: "affinity", key: pair + [.transportProtocol], data: endpoint)
        affinity.size = 4096
        var rates = SetDefinition(family: .ipv4, table: "round", name: "rates", key: pair)
        rates.size = 4096
        var connections = rates
        connections.name = "connections"
        connections.isDynamic = true
        for keyPath in [\SetDefinition.isDynamic, \SetDefinition.hasTimeouts] {
            affinity[keyPath: keyPath] = true
            rates[keyPath: keyPath] = true
        }
        return [
            SetDefinition(family: .ipv4, table: "round", name: "services", key: key),
            SetDefinition(
                family: .ipv4, table: "round", name: "ranges", key: key + [.sourceAddress(.ipv4)], holdsRanges: true),
            SetDefinition(
                family: .ipv4, table: "round", name: "endpoints", key: key + [.randomSlot(modulus: 3)], data: endpoint),
            SetDefinition(
                family: .ipv4, table: "round", name: "numbers", key: key, data: [.destinationAddress(.ipv4)]),
            affinity, rates, connections,
        ]
    }()

    /// A rule that is longer than the kernel takes is refused by the kernel, and harms nothing on its way there.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func tooLongRulesAreRefused() throws {
        let table = Table(family: .ipv4, name: "long")
        let chain = Chain(family: .ipv4, table: "long", name: "chain")
        let rule = Rule(.ipv4, Array(repeating: .address(.source, .notEqual, Self.block("10.1.0.0/20")), count: 5000))
        try NetworkNamespace("long").run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            batch.add(table)
            batch.add(chain)
            batch.add(rule, to: chain)
            do {
                try socket.commit(batch)
                Issue.record("the kernel took a rule of 15,000 instructions")
            } catch let error as TransactionError {
                #expect(error.object?.hasSuffix("of chain ip long chain") == true)
            }
        }
    }

    /// To the kernel and back: the instructions are equal, nft lists the text, and what nft makes of the text is equal
    /// to what we make of it.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func everyStatementRoundTrips() throws {
        let hook = Chain.Hook(kind: .nat, point: .postrouting, priority: 100)
        let table = Table(family: .ipv4, name: "round")
        // Masquerading is allowed in NAT postrouting alone, redirecting in prerouting, rejecting in filters.
        func chain(_ test: Case, _ index: Int) -> Chain {
            let name = "chain\(index)"
            if test.statements.contains(.masquerade) {
                return Chain(family: .ipv4, table: "round", name: name, hook: hook)
            }
            if case .redirect? = test.statements.last {
                let prerouting = Chain.Hook(kind: .nat, point: .prerouting, priority: -100)
                return Chain(family: .ipv4, table: "round", name: name, hook: prerouting)
            }
            return Chain(family: .ipv4, table: "round", name: name)
        }
        let namespace = try NetworkNamespace("rules")
        let chains = Self.cases.enumerated().map { chain($0.element, $0.offset) }
        try namespace.run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            batch.add(table)
            for set in Self.sets { batch.add(set) }
            batch.add(Chain(family: .ipv4, table: "round", name: "other"))
            for chain in chains { batch.add(chain) }
            for (test, chain) in zip(Self.cases, chains) {
                batch.add(Rule(.ipv4, test.statements), to: chain)
            }
            try socket.commit(batch)
        }
        let listing = try namespace.tool(["nft", "list", "ruleset"])
        for test in Self.cases { #expect(listing.contains("\t\t\(test.text)\n"), "\(test.text)") }
        try expectRules(in: namespace, table, chains)

        let loaded = try NetworkNamespace("loaded")
        try loaded.nft(listing)
        try expectRules(in: loaded, table, chains)
    }

    private func expectRules(in namespace: NetworkNamespace, _ table: Table, _ chains: [Chain]) throws {
        try namespace.run {
            var socket = try NFTablesSocket()
            let rules = try socket.rules(of: table)
            for (test, chain) in zip(Self.cases, chains) {
                let observed = rules.filter { $0.chain == chain.name }.map(\.rule)
                #expect(observed == [Rule(.ipv4, test.statements)], "\(test.text)")
            }
            #expect(try socket.sets(of: table).map(\.definition) == Self.sets)
            #expect(try socket.chains(of: table).filter { $0.hook != nil } == chains.filter { $0.hook != nil })
        }
    }

    @Test(arguments: cases) func printsAsNftDoes(_ test: Case) {
        #expect(Rule(.ipv4, test.statements).description == test.text)
    }

    /// A rule of somebody else's is read without harm, never equals one of ours, and can be deleted by its handle.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func foreignRulesAreReadAndDeleted() throws {
        let namespace = try NetworkNamespace("foreign")
        try namespace.nft(
            """
            table ip other {
                chain c {
                    ip daddr . tcp dport vmap { 10.0.0.1 . 80 : accept } counter comment "x"
                    limit rate 5/second log prefix "y" drop
                    ip daddr 10.0.0.2 dnat to 10.0.0.3
                    meta mark set ct mark
                }
                chain nat { type nat hook prerouting priority 0; tcp dport 80 redirect to :8080; dnat to 10.0.0.1-10.0.0.9; }
            }
            """.replacing("        ip daddr 10.0.0.2 dnat to 10.0.0.3\n", with: ""))
        let chain = Chain(family: .ipv4, table: "other", name: "c")
        try namespace.run {
            var socket = try NFTablesSocket()
            let table = Table(family: .ipv4, name: "other")
            let rules = try socket.rules(of: table)
            #expect(rules.count == 5)
            #expect(
                rules.filter { $0.rule.expressions.contains { if case .other = $0 { true } else { false } } }.count >= 4
            )
            var batch = Batch(generation: nil)
            for rule in rules where rule.chain == "c" { batch.deleteRules(of: chain, handle: rule.handle) }
            try socket.commit(batch)
            #expect(try socket.rules(of: table).count == 2)
        }
    }

    /// Registers have two names; both mean the same place.
    @Test func registersHaveOneName() {
        #expect(Register(number: 8) == Register(word: 0))
        #expect(Register(number: 1) == Register(word: 0))
        #expect(Register(number: 12) == Register(number: 2))
        #expect(Register(word: 5).number == 13)
    }
}
