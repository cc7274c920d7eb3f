import Dataplane
import DataplaneTestKit
import Glibc
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Lists of sources and limits, on every kind of address, with real connections; what is turned away is counted.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct LimitTests {
    private static func service(_ transport: TransportProtocol = .tcp, _ change: (inout Service) -> Void) -> Service {
        var service = TrafficTests.everyKind(transport)
        change(&service)
        return service
    }

    private static func target(_ kind: TrafficTests.Kind, _ family: IPFamily) -> (address: IPAddress, port: UInt16) {
        TrafficTests.target(.init(kind: kind, family: family, transport: .tcp))
    }

    private static func drops(in namespace: NetworkNamespace) throws -> UInt64 {
        try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.status()?.reduce(0) { $0 + $1.drops } ?? 0
        }
    }

    /// `allow` closes all addresses of the service but for those in the list, `deny` wins over it.
    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func listsOfSources(_ family: IPFamily, _ transport: TransportProtocol) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(transport: transport, families: [family])
        defer { for server in servers { server.stop() } }
        let sources = try lab.addClientAddresses(3, family)
        let (allow, deny): ([String], [String]) =
            family == .ipv4
            ? (["192.0.2.100/30"], ["192.0.2.102/32"]) : (["2001:db8::100/126"], ["2001:db8::102/128"])
        let listed = Self.service(transport) {
            $0.endpoints.removeLast(4)
            $0.allowedSources = allow.compactMap { CIDR($0) }
            $0.deniedSources = deny.compactMap { CIDR($0) }
        }
        try Desired(services: [listed]).apply(in: lab.node)
        var dropped = 0
        for kind in TrafficTests.Kind.allCases {
            let (address, port) = Self.target(kind, family)
            func outcome(_ source: IPAddress) -> Outcome {
                Client.probe(
                    from: lab.client, to: address, port: port, transport: transport, source: source,
                    timeout: .milliseconds(200))
            }
            #expect(outcome(sources[0]).server == "pod1", "\(kind): in the list")
            #expect(outcome(sources[1]) == .timedOut, "\(kind): denied")
            dropped += 1
            #expect(outcome(sources[2]).server == "pod1", "\(kind): in the list")
            let node = Client.probe(
                from: lab.node, to: address, port: port, transport: transport, timeout: .milliseconds(200))
            #expect(node.server == nil, "\(kind): the node itself is not in the list")
        }
        // A TCP client may have tried twice.
        #expect(try Self.drops(in: lab.node) >= UInt64(dropped * 2))
        // Without the lists all are let in again.
        try Desired(services: [Self.service(transport) { $0.endpoints.removeLast(4) }]).apply(in: lab.node)
        let (address, port) = Self.target(.nodePort, family)
        let again = Client.probe(
            from: lab.client, to: address, port: port, transport: transport, source: sources[1])
        #expect(again.server == "pod1")
    }

    /// A process of the node that is sent on to the node itself is not asked again there, under the address and port of
    /// another service that not everybody may use.
    @Test(arguments: IPFamily.allCases) func listsAreAskedOnce(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let address = Lab.nodeAddresses[family]
        let server = try EchoServer(in: lab.node, address: address, port: 8080, name: "node")
        defer { server.stop() }
        let clusterIP = TrafficTests.clusterIPs[family]
        let inside = Service.test("inside", clusterIPs: [clusterIP], endpoints: [address])
        let outside = Service.test("outside", endpoints: [address]) {
            $0.externalIPs = [address]
            $0.ports[0].port = 8080
            $0.allowedSources = ["198.51.100.0/24", "2001:db8:5::/48"].compactMap { CIDR($0) }
        }
        for masqueradeAll in [false, true] {
            var desired = Desired(services: [inside, outside])
            desired.node.masqueradeAll = masqueradeAll
            try desired.apply(in: lab.node)
            #expect(Client.probe(from: lab.node, to: clusterIP, port: 80).server == "node")
            let direct = Client.probe(from: lab.node, to: address, port: 8080, timeout: .milliseconds(150))
            #expect(direct.server == nil, "its own list stands")
        }
    }

    /// A list of one family closes the other.
    @Test func listsOfOneFamily() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers()
        defer { for server in servers { server.stop() } }
        let listed = Self.service {
            $0.endpoints.removeLast(4)
            $0.allowedSources = ["192.0.2.0/24"].compactMap { CIDR($0) }
        }
        try Desired(services: [listed]).apply(in: lab.node)
        for kind in TrafficTests.Kind.allCases {
            let (address, port) = Self.target(kind, .ipv6)
            let closed = Client.probe(from: lab.client, to: address, port: port, timeout: .milliseconds(150))
            #expect(closed == .timedOut)
            let (open, openPort) = Self.target(kind, .ipv4)
            #expect(Client.probe(from: lab.client, to: open, port: openPort).server == "pod1")
        }
    }

    /// Connections to all addresses of a service count together; who ends one makes room for another.
    @Test(arguments: IPFamily.allCases) func connectionsOfAService(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [family], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let limited = Self.service {
            $0.endpoints.removeLast(4)
            $0.maxConnections = 4
        }
        try Desired(services: [limited]).apply(in: lab.node)
        var connections = try TrafficTests.Kind.allCases.map { kind in
            let (address, port) = Self.target(kind, family)
            return try LongConnection(from: lab.client, to: address, port: port)
        }
        #expect(connections.count == 4)
        let (address, port) = Self.target(.clusterIP, family)
        func fifth() -> Outcome {
            Client.probe(from: lab.client, to: address, port: port, timeout: .milliseconds(200))
        }
        for _ in 0..<3 { #expect(fifth() == .timedOut) }
        #expect(try Self.drops(in: lab.node) >= 3)
        for connection in connections { #expect(try connection.exchange("still") == "still") }
        connections.removeLast()
        var outcome = fifth()
        for _ in 0..<20 where outcome.server == nil { outcome = fifth() }
        #expect(outcome.server == "pod1")
    }

    /// A limit stays while there are no connections to count: the kernel collects elements that count none.
    @Test func limitsOutliveIdleness() throws {
        let namespace = try NetworkNamespace("idle")
        let desired = Desired(services: [Self.service { $0.maxConnections = 4 }])
        try desired.apply(in: namespace)
        try namespace.nft(
            """
            add table inet witness
            add set inet witness collected { type ipv4_addr; flags dynamic; ct count over 1; }
            add set inet witness kept { type ipv4_addr; ct count over 1; }
            add element inet witness collected { 192.0.2.1 ct count over 1 }
            add element inet witness kept { 192.0.2.1 ct count over 1 }
            """)
        func isThere(_ set: String) throws -> Bool {
            try namespace.tool(["nft", "list", "set", "inet", "witness", set]).contains("elements")
        }
        let deadline = ContinuousClock.now + .seconds(60)
        while try isThere("collected"), ContinuousClock.now < deadline { usleep(50_000) }
        try #require(try !isThere("collected"), "the kernel never collects")
        // Older kernels collect these too.
        guard try isThere("kept") else { return }
        #expect(try desired.differences(in: namespace) == [])
    }

    @Test(arguments: IPFamily.allCases) func connectionsOfASource(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [family], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let limited = Self.service {
            $0.endpoints.removeLast(4)
            $0.maxConnectionsPerSource = 2
        }
        try Desired(services: [limited]).apply(in: lab.node)
        let sources = try lab.addClientAddresses(2, family)
        let (address, port) = Self.target(.loadBalancerIP, family)
        let (other, otherPort) = Self.target(.nodePort, family)
        for source in sources {
            let one = try LongConnection(from: lab.client, to: address, port: port, source: source)
            let two = try LongConnection(from: lab.client, to: other, port: otherPort, source: source)
            let third = Client.probe(
                from: lab.client, to: address, port: port, source: source, timeout: .milliseconds(200))
            #expect(third == .timedOut)
            #expect(try one.exchange("one") == "one")
            #expect(try two.exchange("two") == "two")
        }
        #expect(try Self.drops(in: lab.node) >= 2)
        // A higher limit holds at once, also for who was counted under the lower one.
        let wider = Self.service {
            $0.endpoints.removeLast(4)
            $0.maxConnectionsPerSource = 30
        }
        try Desired(services: [wider]).apply(in: lab.node)
        let tally = try Client.tally(5, from: lab.client, to: address, port: port, source: sources[0])
        #expect(tally.failures.isEmpty)
    }

    /// A burst is let through, and then no more than the rate; other sources and other services do not notice.
    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func newConnections(_ family: IPFamily, _ transport: TransportProtocol) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(transport: transport, families: [family])
        defer { for server in servers { server.stop() } }
        let limited = Self.service(transport) {
            $0.endpoints.removeLast(4)
            $0.newConnectionsPerSecond = RateLimit(perSecond: 1, burst: 6)
        }
        try Desired(services: [limited]).apply(in: lab.node)
        let sources = try lab.addClientAddresses(2, family)
        let (address, port) = Self.target(.clusterIP, family)
        for source in sources {
            func answers(_ count: Int, within timeout: Duration) throws -> Int {
                try Client.tally(
                    count, from: lab.client, to: address, port: port, transport: transport, source: source,
                    timeout: timeout
                ).answers["pod1"] ?? 0
            }
            // The burst, whatever time it takes; after it, one for each second that has gone by since it began.
            let start = ContinuousClock.now
            #expect(try answers(6, within: .seconds(5)) == 6)
            let further = try answers(8, within: .milliseconds(50))
            let seconds = (ContinuousClock.now - start).components.seconds
            #expect(further <= Int(seconds) + 1)
        }
        #expect(try Self.drops(in: lab.node) > 0)
        let faster = Self.service(transport) {
            $0.endpoints.removeLast(4)
            $0.newConnectionsPerSecond = RateLimit(perSecond: 1000, burst: 1000)
        }
        try Desired(services: [faster]).apply(in: lab.node)
        let tally = try Client.tally(
            20, from: lab.client, to: address, port: port, transport: transport, source: sources[0])
        #expect(tally.failures.isEmpty)
    }

    /// Counters outlive unrelated changes (semantics 64), and drops are told apart from connections.
    @Test func countersAreKept() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let service = Self.service { $0.endpoints.removeLast(4) }
        let empty = Service.test("empty", clusterIPs: ["10.96.9.9"])
        try Desired(services: [service, empty]).apply(in: lab.node)
        let address = TrafficTests.clusterIPs.ipv4
        #expect(try Client.tally(7, from: lab.client, to: address, port: 80).failures.isEmpty)
        #expect(Client.probe(from: lab.client, to: "10.96.9.9", port: 80) == .refused)
        func counts() throws -> [String: [UInt64]] {
            try lab.node.run {
                var backend = NFTablesBackend(options: LayoutOptions())
                return try (backend.status() ?? []).reduce(into: [:]) { counts, frontend in
                    guard frontend.kind == .clusterIP, frontend.family == .ipv4 else { return }
                    counts[frontend.service] = [frontend.connections, frontend.drops]
                }
            }
        }
        #expect(try counts() == ["test/web:web": [7, 0], "test/empty:web": [0, 1]])
        let other = Service.test("other", clusterIPs: ["10.96.9.10"], endpoints: [Lab.podAddresses(1).ipv4])
        try Desired(services: [service, empty, other]).apply(in: lab.node)
        #expect(try counts()["test/web:web"] == [7, 0])
        #expect(try counts()["test/empty:web"] == [0, 1])
    }
}
