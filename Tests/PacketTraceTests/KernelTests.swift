import DataplaneTestKit
import NFTables
import NetAddress
import PacketTrace
import Testing

/// What the trace takes the kernel to do, held against the kernel: rules that stock nft loads, and one connection.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct KernelTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var rules: String
        var testDescription: String { name }

        init(_ name: String, _ rules: String) {
            self.name = name
            self.rules = rules
        }
    }

    /// Tables `ip t`; the connection goes from 127.0.0.1 to 127.0.0.1 port 80, where a server is, and another one at 8080.
    static let cases = [
        Case(
            "equal priorities",
            """
            chain one { type filter hook output priority 0; meta mark set meta mark & 0 | 1; }
            chain two { type filter hook output priority 0; meta mark set meta mark & 0 | 2; }
            chain last { type filter hook output priority 1; ct state new meta mark 1 reject; }
            """),
        Case(
            "NAT where it is said to be late",
            """
            chain late { type nat hook output priority 300; meta mark set meta mark & 0 | 1; }
            chain check { type filter hook output priority -90; ct state new meta mark 1 reject; }
            """),
        Case(
            "NAT chains one after another",
            """
            chain late { type nat hook output priority 300; meta mark set meta mark & 0 | 1; }
            chain early { type nat hook output priority 200; meta mark set meta mark & 0 | 2; accept; }
            chain check { type filter hook output priority 0; ct state new meta mark 1 reject; }
            """),
        Case(
            "NAT decided",
            """
            map m { typeof ip daddr . th dport : ip daddr . th dport; elements = { 127.0.0.1 . 80 : 127.0.0.1 . 8080 }; }
                chain late { type nat hook output priority 300; drop; }
            chain early { type nat hook output priority 200; meta l4proto tcp dnat ip to ip daddr . th dport map @m; }
            """),
        Case(
            "goto returns to who jumped",
            """
            chain a { return; }
            chain b { goto a; reject; }
            chain c { type filter hook output priority 0; tcp dport 80 jump b; accept; }
            """),
        Case(
            "goto from a base chain",
            """
            chain a { return; }
            chain c { type filter hook output priority 0; goto a; reject; }
            """),
        Case(
            "policy after return",
            """
            chain c { type filter hook output priority 0; policy drop; tcp dport != 80 accept; return; }
            """),
        Case(
            "accepted twice",
            """
            chain c { type filter hook output priority 0; accept; }
            chain d { type filter hook output priority 1; tcp dport 80 reject; }
            """),
        Case(
            "loopback has prerouting",
            """
            chain c { type filter hook prerouting priority 0; iifname "lo" tcp dport 80 drop; }
            """),
        Case(
            "redirected once",
            """
            map m { typeof ip daddr . th dport : ip daddr . th dport; elements = { 127.0.0.1 . 80 : 127.0.0.1 . 8080 }; }
            chain c { type nat hook output priority 0; meta l4proto tcp dnat ip to ip daddr . th dport map @m; }
            chain d { type nat hook prerouting priority 0; meta l4proto tcp drop; }
            """),
        Case(
            "redirected to where it goes",
            """
            map m { typeof ip daddr . th dport : ip daddr . th dport; elements = { 127.0.0.1 . 80 : 127.0.0.1 . 80 }; }
            chain c { type nat hook output priority 0; meta l4proto tcp dnat ip to ip daddr . th dport map @m; }
            chain d { type filter hook output priority 0; ct status dnat reject; }
            """),
        Case(
            "the original tuple stays",
            """
            map m { typeof ip daddr . th dport : ip daddr . th dport; elements = { 127.0.0.1 . 80 : 127.0.0.2 . 8080 }; }
            chain c { type nat hook output priority 0; meta l4proto tcp dnat ip to ip daddr . th dport map @m; }
            chain d { type filter hook input priority 0; ct original ip daddr 127.0.0.1 ct reply ip saddr 127.0.0.2 ip daddr 127.0.0.2 ct state new reject; }
            """),
        Case(
            "an inverted look-up and the catch-all element",
            """
            set s { typeof ip daddr . th dport; elements = { * }; }
            chain c { type filter hook output priority 0; meta l4proto tcp ip daddr . th dport != @s drop; }
            """),
        Case(
            "an inverted look-up of a key that is there, and the catch-all element",
            """
            set s { typeof ip daddr . th dport; elements = { 127.0.0.1 . 80, * }; }
            chain c { type filter hook output priority 0; meta l4proto tcp ip daddr . th dport != @s drop; }
            """),
        Case(
            "ranges",
            """
            set s { typeof ip daddr . meta l4proto . th dport . ip saddr; flags interval; elements = { 127.0.0.1 . tcp . 80 . 127.0.0.0/29 }; }
            chain c { type filter hook output priority 0; ip daddr . meta l4proto . th dport . ip saddr @s drop; }
            """),
        Case(
            "out of range",
            """
            set s { typeof ip daddr . meta l4proto . th dport . ip saddr; flags interval; elements = { 127.0.0.1 . tcp . 80 . 127.0.0.4/30 }; }
            chain c { type filter hook output priority 0; ip daddr . meta l4proto . th dport . ip saddr @s drop; }
            """),
        Case(
            "within a limit",
            """
            set s { typeof ip saddr; flags dynamic; }
            chain c { type filter hook output priority 0; ct state new tcp dport 80 update @s { ip saddr limit rate over 10/second } drop; }
            """),
        Case(
            "what was added is there",
            """
            set s { typeof ip saddr; flags dynamic; }
            chain c { type filter hook output priority 0; tcp dport 80 add @s { ip saddr }; tcp dport 80 ip saddr @s drop; }
            """),
        Case(
            "rewritten and restored",
            """
            map n { typeof ip daddr . th dport : ip daddr; elements = { 127.0.0.1 . 80 : 127.0.0.9 }; }
            map m { typeof ip daddr . th dport : ip daddr . th dport; elements = { 127.0.0.9 . 80 : 127.0.0.1 . 8080 }; }
            chain a { type filter hook output priority -110; ct state new meta l4proto tcp ip daddr set ip daddr . th dport map @n; }
            chain c { type nat hook output priority -100; meta l4proto tcp dnat ip to ip daddr . th dport map @m; }
            """),
        Case(
            "before connection tracking",
            """
            chain c { type filter hook output priority -300; ct state invalid drop; ct status dnat reject; }
            """),
    ]

    @Test(arguments: cases) func agrees(_ test: Case) throws {
        let namespace = try NetworkNamespace("machine")
        let loopback = try ip("127.0.0.1")
        let any = try ip("0.0.0.0")
        let servers = try [80, 8080].map { port in
            try EchoServer(in: namespace, address: any, port: port, name: "\(port)")
        }
        defer { for server in servers { server.stop() } }
        // A table that asks for connection tracking, so that it is there.
        try namespace.nft("table ip t {\n" + Self.lines(test.rules) + "}\n" + Self.lines(Self.tracking))
        let ruleset = try namespace.run { try Self.ruleset() }
        let packet = Packet(from: loopback, to: .init(loopback, 80), origin: .node)
        let path = Tracer(ruleset).path(of: try #require(packet), on: NodeView())
        #expect(path.notes.allSatisfy { !$0.contains("cannot be") }, "\(path.text(isVerbose: true))")
        let traced = try #require(path.outcomes.first?.outcome)
        #expect(path.outcomes.count == 1)

        let seen = Client.probe(
            from: namespace, to: loopback, port: 80, timeout: .milliseconds(traced == .dropped ? 200 : 2000))
        let isRight =
            switch traced {
            case .unchanged: seen.server == "80"
            case .delivered(let to, _): seen.server == "\(to.port)"
            case .refused: seen == .refused
            case .dropped: seen.server == nil && seen != .refused
            }
        #expect(isRight, "seen: \(seen)\n\(path.text(isVerbose: true))")
    }

    private static let tracking = """
        table ip tracking {
            chain c { type filter hook input priority 1000; ct state new counter; }
        }
        """

    /// nft wants statements on lines of their own.
    private static func lines(_ rules: String) -> String {
        rules.replacing("; ", with: "\n").replacing(";", with: "\n").replacing("{ type", with: "{\ntype") + "\n"
    }

    private static func ruleset() throws -> Ruleset {
        var socket = try NFTablesSocket()
        var contents: [Ruleset.Content] = []
        for table in try socket.tables(.ipv4) {
            let rules = Dictionary(grouping: try socket.rules(of: table), by: \.chain)
            var sets: [(definition: SetDefinition, elements: [(ElementKey, ElementValue)])] = []
            for definition in try socket.sets(of: table).compactMap(\.definition) {
                var elements: [(ElementKey, ElementValue)] = []
                try socket.elements(of: definition) { elements.append(($0.key, $0.value)) }
                sets.append((definition, elements))
            }
            let chains = try socket.chains(of: table).map { ($0, (rules[$0.name] ?? []).map(\.rule)) }
            contents.append(Ruleset.Content(table: table, sets: sets, chains: chains))
        }
        return Ruleset(tables: contents)
    }
}
