import DataplaneConformance
import Dataplane
import DataplaneTestKit
import IPTablesBackend
import NetAddress
import ServiceModel
import Testing

/// What the kernel serves, read from the rules alone.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct StatusTests {
    private static func status(in namespace: NetworkNamespace) throws -> [FrontendStatus]? {
        try namespace.run {
            var backend = IPTablesBackend(options: LayoutOptions())
            return try backend.status()
        }
    }

    @Test func namesWhatIsServed() throws {
        let namespace = try NetworkNamespace("status")
        #expect(try Self.status(in: namespace) == nil)
        let services = [
            Service.test("web", clusterIPs: ["10.96.0.10"], nodePort: 30080, endpoints: ["10.244.1.2", "10.244.1.3"]) {
                $0.externalIPs = ["203.0.113.7"]
                $0.clientIPAffinitySeconds = 60
                $0.maxConnections = 7
            },
            .test("elsewhere", clusterIPs: ["fd00:96::2"], nodePort: 30081, endpoints: ["fd00::2"]) {
                $0.externalTrafficPolicy = .local
                $0.endpoints[0].nodeName = "node-b"
            },
            .test("empty", clusterIPs: ["10.96.0.12"], transport: .udp) { $0.allowedSources = [CIDR("10.9.9.9")] },
        ]
        try Desired(services: services).apply(in: namespace)
        let status = try #require(try Self.status(in: namespace))
        let lines = status.map { frontend in
            let place = "\(frontend.address.map { "\($0)" } ?? "*"):\(frontend.port)/\(frontend.transport)"
            return "\(frontend.service) \(frontend.kind.rawValue) \(place) \(frontend.state) \(frontend.endpoints)"
        }
        #expect(
            lines == [
                "test/elsewhere:web cluster IP fd00:96::2:80/tcp serving [[fd00::2]:8080]",
                "test/elsewhere:web node port *:30081/tcp dropping []",
                "test/empty:web cluster IP 10.96.0.12:80/udp refusing []",
                "test/web:web cluster IP 10.96.0.10:80/tcp serving [10.244.1.2:8080, 10.244.1.3:8080]",
                "test/web:web external IP 203.0.113.7:80/tcp serving [10.244.1.2:8080, 10.244.1.3:8080]",
                "test/web:web node port *:30080/tcp serving [10.244.1.2:8080, 10.244.1.3:8080]",
            ])
    }

    @Test func countsConnections() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let pod = Lab.podAddresses(1).ipv4
        try Desired(services: [
            .test("web", clusterIPs: ["10.96.0.10"], endpoints: [pod]),
            .test("closed", clusterIPs: ["10.96.0.11"], endpoints: [pod]) { $0.allowedSources = [CIDR("10.9.9.9")] },
        ]).apply(in: lab.node)
        for _ in 0..<3 {
            #expect(Client.probe(from: lab.client, to: "10.96.0.10", port: 80).server != nil)
        }
        #expect(Client.probe(from: lab.client, to: "10.96.0.11", port: 80, timeout: .milliseconds(100)) == .timedOut)
        let status = try #require(try Self.status(in: lab.node))
        #expect(status.map(\.connections) == [0, 3])
        #expect(status.map(\.drops) == [1, 0])
    }
}
