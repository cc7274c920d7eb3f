import Dataplane
import DataplaneConformance
import DataplaneTestKit
import NFTables
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// From whatever is there to what should be there, in one transaction, and nothing more.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ConvergenceTests {
    static let web = Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: ["10.244.1.2", "10.244.1.3"])
    static let other = Service.test(
        "other", clusterIPs: ["10.96.0.11", "fd00:96::11"], endpoints: ["10.244.1.4", "fd00::4"])

    static func generation(_ namespace: NetworkNamespace) throws -> UInt32 {
        try namespace.run {
            var socket = try NFTablesSocket()
            return try socket.generation()
        }
    }

    @Test func secondApplySendsNothing() throws {
        let namespace = try NetworkNamespace("second")
        let desired = Desired(services: SampleServices.everything)
        let before = try Self.generation(namespace)
        #expect(try desired.apply(in: namespace).added > 100)
        let after = try Self.generation(namespace)
        #expect(after == before + 1, "one transaction")
        #expect(try desired.apply(in: namespace).isEmpty)
        #expect(try Self.generation(namespace) == after, "no transaction")
    }

    /// Every scenario to every other: one transaction each, and the same end as from nothing.
    @Test func convergesFromAnyState() throws {
        var three = Self.web
        three.endpoints.append(Endpoint(address: "10.244.1.9"))
        var replaced = Self.web
        replaced.endpoints[0] = Endpoint(address: "10.244.1.99")
        var moved = Self.other
        moved.clusterIPs = ["10.96.0.10"]
        var node = NodeFacts(nodeName: "node-a")
        node.clusterCIDRs = ["10.244.0.0/16"].compactMap { CIDR($0) }
        let states = [
            Desired(services: []), Desired(services: [Self.web]), Desired(services: [Self.web, Self.other]),
            Desired(services: [three, Self.other]), Desired(services: [replaced, Self.other]),
            Desired(services: [moved]),
            Desired(services: [Self.web], node: node), Desired(services: SampleServices.everything),
        ]
        let namespace = try NetworkNamespace("any")
        for first in states {
            for second in states {
                try first.apply(in: namespace)
                let before = try Self.generation(namespace)
                let changes = try second.apply(in: namespace)
                #expect(try Self.generation(namespace) == before + (changes.isEmpty ? 0 : 1))
                #expect(try second.differences(in: namespace) == [])
                let fresh = try NetworkNamespace("fresh")
                try fresh.nft(second.script)
                #expect(
                    try Self.sortedLines(namespace.tool(["nft", "list", "ruleset"]))
                        == Self.sortedLines(fresh.tool(["nft", "list", "ruleset"])))
            }
        }
    }

    /// Sets and rules come in the order in which they were made, which differs with the way that was taken.
    private static func sortedLines(_ text: String) -> [String] {
        text.split(separator: "\n").map(String.init).sorted()
    }

    /// One endpoint's change touches its own elements and no others, and keeps the counters of all.
    @Test func changesOnlyWhatDiffers() throws {
        let namespace = try NetworkNamespace("only")
        var services = Service.numbered(1...50)
        try Desired(services: services).apply(in: namespace)
        services[20].endpoints[1] = Endpoint(address: "10.250.0.1")
        let lines = try Desired(services: services).differences(in: namespace)
        #expect(lines.count == 6, "endpoint and hairpin of one, and the neighbour that takes its slot: \(lines)")
        #expect(lines.allSatisfy { $0.contains("endpoints_3") || $0.contains("hairpin") })
        let changes = try Desired(services: services).apply(in: namespace)
        #expect(changes == ChangeSummary(added: 1, changed: 2, removed: 1))
    }

    struct Vandalism: Sendable, CustomTestStringConvertible {
        var command: [String]
        var isSeenAs: String

        var testDescription: String { command.joined(separator: " ") }

        static let all = [
            Vandalism(
                command: ["delete", "element", "ip", "svcctl", "cluster_services", "{ 10.96.0.10 . tcp . 80 }"],
                isSeenAs: "element ip svcctl cluster_services { 10.96.0.10 . tcp . 80 comment \"test/web:web\" }"),
            Vandalism(
                command: ["delete", "element", "ip", "svcctl", "endpoints_2", "{ 10.96.0.10 . tcp . 80 . 1 }"],
                isSeenAs: "element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 : 10.244.1.3 . 8080 }"),
            Vandalism(
                command: ["add", "element", "ip", "svcctl", "cluster_ips", "{ 10.96.9.9 }"],
                isSeenAs: "element ip svcctl cluster_ips { 10.96.9.9 }"),
            Vandalism(
                command: ["add", "element", "ip", "svcctl", "cluster_ips", "{ * }"],
                isSeenAs: "element ip svcctl cluster_ips { * }"),
            Vandalism(
                command: ["add", "element", "ip", "svcctl", "endpoints_2", "{ * : 10.9.9.9 . 1 }"],
                isSeenAs: "element ip svcctl endpoints_2 { * : 10.9.9.9 . 1 }"),
            Vandalism(
                command: ["add", "rule", "ip", "svcctl", "services", "tcp", "dport", "22", "drop"],
                isSeenAs: "rule ip svcctl services [ meta load l4proto"),
            Vandalism(
                command: ["insert", "rule", "ip", "svcctl", "pick_endpoint", "drop"],
                isSeenAs: "rule ip svcctl pick_endpoint [ drop ]"),
            Vandalism(
                command: ["flush", "chain", "ip", "svcctl", "nat_output"],
                isSeenAs: "rule ip svcctl nat_output jump services"),
            Vandalism(command: ["flush", "chain", "ip", "svcctl", "pick_endpoint"], isSeenAs: "map @endpoints_2"),
            Vandalism(command: ["add", "chain", "ip", "svcctl", "stranger"], isSeenAs: "chain ip svcctl stranger"),
            Vandalism(
                command: ["add", "set", "ip", "svcctl", "stranger", "{ type ipv4_addr; flags interval; }"],
                isSeenAs: "set ip svcctl stranger"),
            Vandalism(
                command: ["chain", "ip", "svcctl", "filter_forward", "{ policy drop; }"],
                isSeenAs: "chain ip svcctl filter_forward { type filter hook forward priority 0; policy drop; }"),
            Vandalism(
                command: ["flush", "set", "ip6", "svcctl", "hairpin"],
                isSeenAs: "element ip6 svcctl hairpin { fd00::4 . fd00::4 . tcp . 8080 }"),
            Vandalism(command: ["delete", "table", "ip", "svcctl"], isSeenAs: "table ip svcctl"),
            Vandalism(command: ["flush", "ruleset"], isSeenAs: "table ip6 svcctl"),
            Vandalism(
                command: ["add", "table", "ip", "svcctl", "{ flags dormant; }"],
                isSeenAs: "table ip svcctl { flags dormant; }"),
        ]
    }

    @Test(arguments: Vandalism.all)
    func seesAndMendsWhatOthersChanged(_ vandalism: Vandalism) throws {
        let namespace = try NetworkNamespace("mended")
        let desired = Desired(services: [Self.web, Self.other])
        try desired.apply(in: namespace)
        let listing = try namespace.tool(["nft", "list", "ruleset"])
        try namespace.tool(["nft"] + vandalism.command)
        let lines = try desired.differences(in: namespace)
        #expect(lines.contains { $0.contains(vandalism.isSeenAs) }, "\(lines)")
        let before = try Self.generation(namespace)
        #expect(try !desired.apply(in: namespace).isEmpty)
        #expect(try Self.generation(namespace) == before + 1)
        #expect(try desired.differences(in: namespace) == [])
        #expect(try Self.sortedLines(namespace.tool(["nft", "list", "ruleset"])) == Self.sortedLines(listing))
    }

    /// A map of our name in another form is made anew, with everything that refers to it.
    @Test func rebuildsATableInAnotherForm() throws {
        let namespace = try NetworkNamespace("rebuilt")
        let desired = Desired(services: [Self.web, Self.other])
        try namespace.nft(
            """
            table ip svcctl {
                comment "svcctl: services, written by svcctl"
                set cluster_services { type ipv4_addr; elements = { 10.0.0.1 } }
                map endpoints_2 { type ipv4_addr : verdict; }
                chain services { type filter hook input priority 5; ip daddr @cluster_services drop; }
                chain pick_endpoint { ip daddr vmap @endpoints_2; }
            }
            """)
        let before = try Self.generation(namespace)
        try desired.apply(in: namespace)
        #expect(try Self.generation(namespace) == before + 1)
        #expect(try desired.differences(in: namespace) == [])
    }

    static let foreign = """
        table ip kube-proxy {
            chain services { ip daddr 10.96.0.10 tcp dport 80 accept; }
        }
        table inet svcctl {
            chain input { type filter hook input priority 0; policy accept; }
        }
        table ip filter {
            set s { type ipv4_addr; elements = { 10.0.0.1 }; }
            chain forward { type filter hook forward priority 0; ip saddr @s accept; }
        }
        """

    @Test func foreignTablesAreLeftAlone() throws {
        let namespace = try NetworkNamespace("foreign")
        try namespace.nft(Self.foreign)
        let before = try namespace.tool(["nft", "list", "ruleset"])
        try Desired(services: [Self.web]).apply(in: namespace)
        try Desired(services: [Self.other]).apply(in: namespace)
        #expect(try namespace.tool(["nft", "list", "ruleset"]).hasPrefix(before))
        let removed = try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.removeAll()
        }
        #expect(removed.removed == 2)
        #expect(try namespace.tool(["nft", "list", "ruleset"]) == before)
        let again = try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.removeAll()
        }
        #expect(again.isEmpty)
    }

    /// A table of our name without our mark belongs to somebody else.
    @Test func aTableOfOurNameThatIsNotOursIsRefused() throws {
        let namespace = try NetworkNamespace("namesake")
        try namespace.nft("table ip svcctl {\n chain mine {\n }\n}\n")
        let before = try namespace.tool(["nft", "list", "ruleset"])
        #expect {
            try Desired(services: [Self.web]).apply(in: namespace)
        } throws: { error in
            (error as? BackendError)?.kind == .foreign && "\(error)".contains("table ip svcctl")
        }
        let removed = try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.removeAll()
        }
        #expect(removed.isEmpty)
        #expect(try namespace.tool(["nft", "list", "ruleset"]) == before)
    }

    /// Somebody commits between our look and our change: nothing is lost, and the outcome is right.
    @Test func aChangeUnderOurHandsIsNoticed() throws {
        let namespace = try NetworkNamespace("race")
        let desired = Desired(services: [Self.web])
        try desired.apply(in: namespace)
        try namespace.run {
            var state = Desired(services: [Self.web, Self.other]).tracker()
            var backend = NFTablesBackend(options: LayoutOptions(node: NodeFacts(nodeName: "node-a")))
            try backend.observe(into: &state)
            try namespace.tool(["nft", "delete", "element", "ip", "svcctl", "cluster_ips", "{ 10.96.0.10 }"])
            _ = try backend.apply(&state)
        }
        #expect(try Desired(services: [Self.web, Self.other]).differences(in: namespace) == [])
    }

    /// A cluster whose nodes have a block each.
    @Test func manyBlocksOfPodAddresses() throws {
        let namespace = try NetworkNamespace("blocks")
        var desired = Desired(services: [Self.web, Self.other])
        desired.node.clusterCIDRs = (0..<300).flatMap { number in
            [
                CIDR(IPAddress(ipv4: 0x0af4_0000 + number << 8), prefixLength: 24),
                CIDR(IPAddress(ipv6: 0xfd00_0000_0000_0000 + UInt64(number), 0), prefixLength: 64),
            ].compactMap { $0 }
        }
        try desired.apply(in: namespace)
        #expect(try desired.differences(in: namespace) == [])
    }

    /// Hundreds of thousands of keys are held: what a key takes is what a node pays.
    @Test func keysAreSmall() {
        #expect(MemoryLayout<ObjectKey>.stride == 48)
    }

    /// A long-lived backend changes services back and forth without looking anew; rules that return have other handles.
    @Test func longLivedBackendKeepsTrackOfRules() throws {
        let namespace = try NetworkNamespace("handles")
        let planner = ServicePlanner(node: NodeFacts(nodeName: "node-a"))
        try namespace.run {
            var state = Desired(services: [Self.web]).tracker()
            var backend = NFTablesBackend(options: Desired(services: []).options)
            let other = backend.fragment(for: planner.plan(Self.other))
            try backend.observe(into: &state)
            _ = try backend.apply(&state)
            for round in 0..<3 {
                state.want(other)
                _ = try backend.apply(&state)
                #expect(try Desired(services: [Self.web, Self.other]).differences(in: namespace) == [], "\(round)")
                state.unwant(other)
                _ = try backend.apply(&state)
                #expect(try Desired(services: [Self.web]).differences(in: namespace) == [], "\(round)")
            }
        }
    }

    /// A refused transaction leaves everything as it was, and says which object was refused and why.
    @Test func aRefusedTransactionChangesNothing() throws {
        let namespace = try NetworkNamespace("refused")
        try Desired(services: [Self.web]).apply(in: namespace)
        let before = try namespace.tool(["nft", "list", "ruleset"])
        try namespace.run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            let map = SetID(.ipv4, .endpoints, 2).definition
            var fine = ElementKey()
            fine.append("10.96.0.99" as IPAddress)
            fine.append(TransportProtocol.tcp)
            fine.append(port: 80)
            fine.append(slot: 0)
            var taken = ElementKey()
            taken.append("10.96.0.10" as IPAddress)
            taken.append(TransportProtocol.tcp)
            taken.append(port: 80)
            taken.append(slot: 1)
            let value = ElementValue(endpoint: NFTables.SocketAddress("10.9.9.9", 1))
            batch.add([(fine, value), (taken, value)], to: map)
            do {
                try socket.commit(batch)
                Issue.record("the kernel took other data for an element that is there")
            } catch let error as TransactionError {
                #expect(error.object == "element 10.96.0.10 . tcp . 80 . 1 of map ip svcctl endpoints_2")
                #expect("\(error)".contains("EEXIST"))
            }
        }
        #expect(try namespace.tool(["nft", "list", "ruleset"]) == before)
    }

    /// A connection that is looked up and then dropped counts once; the order is always the same.
    @Test func statusCountsAndSorts() throws {
        let lab = try Lab()
        var service = Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: ["10.250.0.2"]) { service in
            service.externalIPs = (1...9).map { IPAddress(ipv4: 0xcb00_7100 + UInt32($0)) }
            service.externalTrafficPolicy = .local
            service.endpoints[0].nodeName = "node-b"
        }
        service.ports = [TransportProtocol.udp, .tcp].map {
            ServicePort(name: "web", transport: $0, port: 80, target: .number(8080))
        }
        try Desired(services: [service]).apply(in: lab.node)
        let outcome = Client.probe(from: lab.client, to: "203.0.113.1", port: 80, timeout: .milliseconds(150))
        #expect(outcome == .timedOut)
        let status = try lab.node.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try #require(try backend.status())
        }
        let external = status.filter { $0.kind == .external }
        #expect(external.map(\.address) == service.externalIPs.flatMap { [$0, $0] })
        #expect(external.map(\.transport) == service.externalIPs.flatMap { _ in [.tcp, .udp] })
        #expect(external.allSatisfy { $0.state == .dropping })
        #expect(external.map(\.connections) == [1] + [UInt64](repeating: 0, count: 17))
    }

    @Test func statusReadsTheKernel() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        var service = TrafficTests.everyKind(.tcp)
        service.endpoints = service.endpoints.filter { $0.address.family == .ipv4 }
        try Desired(services: [service]).apply(in: lab.node)
        _ = try Client.tally(7, from: lab.client, to: "10.96.0.10", port: 80)
        let status = try lab.node.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.status()
        }
        let clusterIP = try #require(status?.first { $0.address == "10.96.0.10" })
        #expect(clusterIP.service == "test/web:web" && clusterIP.kind == .clusterIP && clusterIP.state == .serving)
        #expect(clusterIP.connections == 7)
        #expect(clusterIP.endpoints.map(\.description) == ["10.244.1.2:8080", "10.244.1.3:8080", "10.244.1.4:8080"])
        let inIPv6 = try #require(status?.first { $0.address == "fd00:96::10" })
        #expect(inIPv6.state == .refusing && inIPv6.kind == .clusterIP && inIPv6.endpoints.isEmpty)
        #expect(status?.count == 8)

        // Counters survive changes of other services.
        try Desired(services: [service, Self.other]).apply(in: lab.node)
        let later = try lab.node.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.status()
        }
        #expect(later?.first { $0.address == "10.96.0.10" }?.connections == 7)
    }

    @Test func statusOfAnEmptyKernel() throws {
        let namespace = try NetworkNamespace("empty")
        let status = try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.status()
        }
        #expect(status == nil)
    }

    /// Somebody who changes another table all the time does not keep us from our own.
    @Test func aBusyNeighbourDoesNotBlock() throws {
        let namespace = try NetworkNamespace("busy")
        let neighbour = try RunningProgram(
            ["sh", "-c", "while :; do nft add table ip busy; nft delete table ip busy; done"], in: namespace)
        let many = Service.numbered(1...400, endpoints: 10, spacing: 16)
        for services in [many, Array(many.dropLast()), many] {
            try Desired(services: services).apply(in: namespace)
        }
        _ = try neighbour.stop()
        #expect(try Desired(services: many).differences(in: namespace) == [])
    }

    /// A table that another program owns says so, instead of asking for a privilege that is there.
    @Test func aTableOwnedByAnotherProgramIsNamed() throws {
        let namespace = try NetworkNamespace("owned")
        try namespace.run {
            var owner = try NFTablesSocket()
            var batch = Batch(generation: nil)
            var table = Table(family: .ipv4, name: "svcctl", comment: "svcctl: services, written by svcctl")
            table.flags = 2
            batch.add(table)
            try owner.commit(batch)
            #expect {
                try Desired(services: [Self.web]).apply(in: namespace)
            } throws: { error in
                (error as? BackendError)?.kind == .refused && "\(error)".contains("own")
            }
        }
    }
}
