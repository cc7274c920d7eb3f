import Dataplane
import DataplaneConformance
import DataplaneTestKit
import Glibc
import IPVSBackend
import Links
import NetAddress
import ServiceModel
import ServicePlan
import Testing

extension WithKernel {
    /// What the kernel serves, read from sets and virtual servers alone.
    @Suite struct StatusTests {
        private static func status(in namespace: NetworkNamespace, endpoints: Bool = true) throws -> [FrontendStatus]? {
            try namespace.run {
                var backend = IPVSBackend(options: LayoutOptions())
                return try backend.status(withEndpoints: endpoints)
            }
        }

        private static func line(_ frontend: FrontendStatus) -> String {
            let place = frontend.address.map { "\(SocketEndpoint(address: $0, port: frontend.port))" } ?? "*"
            return "\(frontend.service) \(frontend.kind.rawValue) \(place)/\(frontend.transport) \(frontend.state) "
                + "\(frontend.endpoints)"
        }

        @Test func namesWhatIsServed() throws {
            let namespace = try NetworkNamespace("status")
            #expect(try Self.status(in: namespace) == nil)
            let services = [
                Service.test(
                    "web", clusterIPs: ["10.96.0.10"], nodePort: 30080, endpoints: ["10.244.1.2", "10.244.1.3"]
                ) {
                    $0.externalIPs = ["203.0.113.7"]
                    $0.clientIPAffinitySeconds = 60
                    $0.endpoints[1].weight = 5
                },
                .test("elsewhere", clusterIPs: ["fd00:96::2"], nodePort: 30081, endpoints: ["fd00::2"]) {
                    $0.externalTrafficPolicy = .local
                    $0.endpoints[0].nodeName = "node-b"
                },
                .test("empty", clusterIPs: ["10.96.0.12"], transport: .udp) {
                    $0.allowedSources = [CIDR("10.9.9.9")]
                    $0.ports[0].name = ""
                },
                .test("inner", clusterIPs: ["10.96.0.13"], transport: .udp, endpoints: ["10.244.2.2"]) {
                    $0.internalTrafficPolicy = .local
                    $0.endpoints[0].nodeName = "node-b"
                },
            ]
            var node = NodeFacts(nodeName: "node-a")
            node.addresses = ["192.0.2.10", "2001:db8::10"]
            try Desired(services: services, node: node).apply(in: namespace)
            // Others' virtual servers are none of ours.
            try namespace.tool(["ipvsadm", "-A", "-t", "192.0.2.10:22", "-s", "rr"])
            let status = try #require(try Self.status(in: namespace))
            #expect(
                status.map(Self.line) == [
                    "test/elsewhere:web cluster IP [fd00:96::2]:80/tcp serving [[fd00::2]:8080]",
                    "test/elsewhere:web node port [2001:db8::10]:30081/tcp dropping [[fd00::2]:8080]",
                    "test/empty cluster IP 10.96.0.12:80/udp refusing []",
                    "test/inner:web cluster IP 10.96.0.13:80/udp dropping []",
                    "test/web:web cluster IP 10.96.0.10:80/tcp serving [10.244.1.2:8080, 10.244.1.3:8080]",
                    "test/web:web external IP 203.0.113.7:80/tcp serving [10.244.1.2:8080, 10.244.1.3:8080]",
                    "test/web:web node port 192.0.2.10:30080/tcp serving [10.244.1.2:8080, 10.244.1.3:8080]",
                ])
            #expect(status.last?.endpointDetails.map(\.weight) == [1, 5])
            // For UDP flows that are older than the policy.
            #expect(status.first { $0.service == "test/inner:web" }?.endpointDetails.map(\.weight) == [0])
            let short = try #require(try Self.status(in: namespace, endpoints: false))
            #expect(short.map(\.service) == status.map(\.service))
            #expect(short.allSatisfy { $0.endpoints.isEmpty && $0.endpointDetails.isEmpty })
        }

        @Test func countsTraffic() throws {
            let lab = try Lab(pods: 2)
            let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
            defer { for server in servers { server.stop() } }
            let services = [
                Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: ["10.244.1.2", "10.244.1.3"]),
                .test("idle", clusterIPs: ["10.96.0.11"], endpoints: ["10.244.1.2"]),
            ]
            try Desired(services: services).observing(in: lab.node) { reconciliation in
                for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
                _ = try reconciliation.apply()
            }
            let connections = try (0..<3).map { _ in
                try LongConnection(from: lab.client, to: "10.96.0.10", port: 80)
            }
            #expect(try connections[0].exchange(String(repeating: "x", count: 1000)).count == 1000)

            // The kernel adds up its counters every two seconds.
            var found: [FrontendStatus] = []
            let end = ContinuousClock.now + .seconds(30)
            repeat {
                usleep(200_000)
                found = try Self.status(in: lab.node) ?? []
            } while (found.last?.traffic?.outgoing.bytes ?? 0) < 1000 && ContinuousClock.now < end
            try #require(found.count == 2)
            let (idle, web) = (found[0], found[1])
            #expect(idle.connections == 0 && idle.traffic == TrafficStatus())
            #expect(web.connections == 3 && web.drops == 0)
            let traffic = try #require(web.traffic)
            // SYN, ACK, and what was sent; the answers have a line each.
            #expect(traffic.incoming.packets >= 7 && traffic.incoming.bytes > 1000 + 7 * 40)
            #expect(traffic.outgoing.packets >= 7 && traffic.outgoing.bytes > 1000 + 7 * 40)
            #expect(web.endpointDetails.map(\.endpoint.description) == ["10.244.1.2:8080", "10.244.1.3:8080"])
            let details = web.endpointDetails
            #expect(details.map(\.activeConnections).sorted() == [1, 2])
            #expect(details.map(\.inactiveConnections) == [0, 0])
            #expect(details.map(\.connections).sorted() == [1, 2])
            #expect(details.reduce(0) { $0 + $1.traffic.incoming.packets } == traffic.incoming.packets)
            #expect(details.reduce(0) { $0 + $1.traffic.outgoing.bytes } == traffic.outgoing.bytes)
            withExtendedLifetime(connections) {}
        }
    }
}
