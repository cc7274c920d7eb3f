import Dataplane
import DataplaneConformance
import DataplaneTestKit
import Glibc
import NFTablesBackend
import NetAddress
import ServiceModel
import Testing

/// What lists of sources and limits turn away is counted; whom they turn away stands in the conformance suite.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct LimitTests {
    private static func service(_ transport: TransportProtocol = .tcp, _ change: (inout Service) -> Void) -> Service {
        var service = TrafficTests.everyKind(transport, pods: 1)
        change(&service)
        return service
    }

    private static func drops(in namespace: NetworkNamespace) throws -> UInt64 {
        try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.status()?.reduce(0) { $0 + $1.drops } ?? 0
        }
    }

    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func dropsAreCounted(_ family: IPFamily, _ transport: TransportProtocol) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(transport: transport, families: [family])
        defer { for server in servers { server.stop() } }
        let changes: [(inout Service) -> Void] = [
            { $0.allowedSources = ["198.51.100.0/24"].compactMap { CIDR($0) } },
            { $0.deniedSources = ["192.0.2.0/24", "2001:db8::/64"].compactMap { CIDR($0) } },
            { $0.newConnectionsPerSecond = RateLimit(perSecond: 1, burst: 1) },
        ]
        for change in changes {
            try Desired(services: [Self.service(transport, change)]).apply(in: lab.node)
            let before = try Self.drops(in: lab.node)
            let probes = TrafficTests.Kind.allCases.map { kind in
                let (address, port) = TrafficTests.target(.init(kind: kind, family: family, transport: transport))
                return Probe(address, port: port, transport: transport, patience: .milliseconds(300))
            }
            let dropped = try Client.probe(probes, from: lab.client).count { $0 == .timedOut }
            #expect(dropped > 0)
            // A client may have tried twice.
            #expect(try Self.drops(in: lab.node) - before >= UInt64(dropped))
        }
    }

    @Test(arguments: IPFamily.allCases) func dropsOverALimitAreCounted(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [family], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        func look(_ change: (inout Service) -> Void) throws {
            try Desired(services: [Self.service(.tcp, change)]).apply(in: lab.node)
            let before = try Self.drops(in: lab.node)
            let address = TrafficTests.clusterIPs[family]
            let connection = try LongConnection(from: lab.client, to: address, port: 80)
            #expect(Client.probe(from: lab.client, to: address, port: 80, timeout: .milliseconds(200)) == .timedOut)
            #expect(try Self.drops(in: lab.node) > before)
            #expect(try connection.exchange("still") == "still")
        }
        try look { $0.maxConnectionsPerSource = 1 }
        try look { $0.maxConnections = 1 }
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

    /// Counters outlive unrelated changes (semantics 64), and drops are told apart from connections.
    @Test func countersAreKept() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let service = Self.service { _ in }
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
