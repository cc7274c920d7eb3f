import DataplaneTestKit
import Foundation
import Testing

/// What a real API server's output becomes on the node `node-a`, service by service.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ClusterTests {
    /// A namespace where the cluster was applied; no test changes it.
    private static let applied = Result {
        let namespace = try NetworkNamespace("cluster")
        let result = try namespace.svcctl(["apply", Svcctl.cluster] + Svcctl.clusterNode)
        guard result.status == 0 else { throw ProgramFailure(command: ["svcctl", "apply"], result: result) }
        return (kernel: namespace, status: try StatusReport(of: namespace))
    }

    private let kernel: NetworkNamespace
    private let status: StatusReport

    init() throws { (kernel, status) = try Self.applied.get() }

    /// Every service of the file and all that the kernel has of it.
    static let services: [(String, [String])] = [
        // The file has no slice for it, so nothing serves it.
        ("default/kubernetes", ["cluster IP 10.96.0.1:443/TCP refusing"]),
        (
            // Outsiders get this node's endpoint alone, and none that is terminating while another is ready.
            "edge/ingress",
            [
                "cluster IP 10.96.89.190:443/TCP serving 10.244.1.9:8443 10.244.2.9:8443",
                "cluster IP 10.96.89.190:80/TCP serving 10.244.1.9:8080 10.244.2.9:8080",
                "external IP 203.0.113.8:443/TCP serving 10.244.1.9:8443",
                "external IP 203.0.113.8:80/TCP serving 10.244.1.9:8080",
                "node port *:30795/TCP serving 10.244.1.9:8080",
                "node port *:32299/TCP serving 10.244.1.9:8443",
            ]
        ),
        (
            "kube-system/kube-dns",
            [
                "cluster IP 10.96.0.53:53/TCP serving 10.244.1.3:53 10.244.2.4:53",
                "cluster IP 10.96.0.53:53/UDP serving 10.244.1.3:53 10.244.2.4:53",
                "cluster IP 10.96.0.53:9153/TCP serving 10.244.1.3:9153 10.244.2.4:9153",
            ]
        ),
        // Internal traffic policy Local.
        ("shop/agent", ["cluster IP 10.96.210.46:9000/TCP serving 192.0.2.10:9000"]),
        // Headless.
        ("shop/db", []),
        // Not serving, but published all the same.
        ("shop/early", ["cluster IP 10.96.68.18:80/TCP serving 10.244.2.50:8080"]),
        ("shop/empty", ["cluster IP 10.96.95.151:80/TCP refusing"]),
        // ExternalName.
        ("shop/legacy", []),
        // Another proxy's.
        ("shop/meshed", []),
        ("shop/sctp", ["cluster IP 10.96.167.215:3868/SCTP serving 10.244.2.40:3868"]),
        (
            // Two families; one slice has another target port under the same name.
            "shop/web",
            [
                "cluster IP 10.96.210.155:443/TCP serving 10.244.1.2:8443 10.244.2.2:8443 10.244.2.3:8443",
                "cluster IP 10.96.210.155:80/TCP serving 10.244.1.2:8080 10.244.2.2:8080 10.244.2.3:9090",
                "cluster IP fd00:96::c:b76c:443/TCP serving fd00:244:1::2:8443 fd00:244:2::2:8443",
                "cluster IP fd00:96::c:b76c:80/TCP serving fd00:244:1::2:8080 fd00:244:2::2:8080",
            ]
        ),
    ]

    @Test(arguments: services)
    func service(name: String, frontends: [String]) { #expect(status.lines(of: name) == frontends) }

    /// A node port, an external IP and a cluster IP. Its zone hints would leave one endpoint (semantics 13).
    @Test func api() {
        let places = [
            "cluster IP 10.96.116.198:50051/TCP serving", "external IP 203.0.113.7:50051/TCP serving",
            "node port *:30051/TCP serving",
        ]
        let lines = status.lines(of: "shop/api")
        #expect(lines == places.map { "\($0) 10.244.1.20:50051" })
    }

    /// Nothing is there but what the tests above name.
    @Test func nothingElse() {
        let named = Self.services.reduce(0) { $0 + $1.1.count } + status.lines(of: "shop/api").count
        #expect(status.frontends.count == named)
        #expect(status.backend == "nftables")
    }

    /// Policy Local: this node's own clients get the whole cluster's endpoints, still without the terminating one.
    @Test func ingressShortCircuit() throws {
        var expected: [String: String] = [:]
        for (vip, nodePort, target) in [
            ("203.0.113.8 . tcp . 80", 30795, 8080), ("203.0.113.8 . tcp . 443", 32299, 8443),
        ] {
            for (slot, address) in ["10.244.1.9", "10.244.2.9"].enumerated() {
                expected["\(vip) . \(slot)"] = "\(address) . \(target)"
                expected["tcp . \(nodePort) . \(slot)"] = "\(address) . \(target)"
            }
        }
        let short = try kernel.elements("ip", "cluster_endpoints_2")
            .merging(kernel.elements("ip", "node_port_cluster_endpoints_2")) { first, _ in first }
        #expect(short == expected)
        let local = ["203.0.113.8 . tcp . 80", "203.0.113.8 . tcp . 443"]
        #expect(try Set(kernel.elements("ip", "external_local_services").keys) == Set(local))
        #expect(try Set(kernel.elements("ip", "restricted_services").keys) == Set(local))
        let sources = try kernel.tool(["nft", "list", "set", "ip", "svcctl", "source_ranges"])
        for vip in local {
            for source in ["198.51.100.0/24", "192.0.2.0/24", "203.0.113.8"] {
                #expect(sources.contains("\(vip) . \(source)"))
            }
        }
        #expect(try Set(kernel.elements("ip", "node_ports_local").keys) == ["tcp . 30795", "tcp . 32299"])
        #expect(try Set(kernel.elements("ip", "external_services").keys) == ["203.0.113.7 . tcp . 50051"])
        #expect(try Set(kernel.elements("ip", "node_ports").keys) == ["tcp . 30051"])
    }

    /// Endpoints that were skipped, are terminating, or belong to another node's Local service are nowhere at all.
    @Test(arguments: [
        "10.244.1.10", "10.244.2.30", "192.0.2.11", "10.96.120.141", "legacy.example.com", "lb.example.com",
    ])
    func nowhere(text: String) throws { #expect(try !kernel.ruleset().contains(text)) }

    /// Only endpoints on this node can reach themselves through a service here (semantics 22).
    @Test func hairpins() throws {
        let sources = try kernel.elements("ip", "hairpin").keys.compactMap { $0.split(separator: " ").first }
        #expect(Set(sources) == ["10.244.1.2", "10.244.1.3", "10.244.1.9", "10.244.1.20", "192.0.2.10"])
        let ipv6 = try kernel.elements("ip6", "hairpin").keys.compactMap { $0.split(separator: " ").first }
        #expect(Set(ipv6) == ["fd00:244:1::2"])
    }

    @Test func clusterIPs() throws {
        #expect(
            try Set(kernel.elements("ip", "cluster_ips").keys) == [
                "10.96.0.1", "10.96.89.190", "10.96.0.53", "10.96.210.46", "10.96.116.198", "10.96.68.18",
                "10.96.95.151", "10.96.167.215", "10.96.210.155",
            ])
        #expect(try Set(kernel.elements("ip6", "cluster_ips").keys) == ["fd00:96::c:b76c"])
    }

    /// On a node without an ingress endpoint, outsiders' connections are dropped; the agent there is the other one.
    @Test func otherNodes() throws {
        let other = try NetworkNamespace("other")
        let arguments = ["apply", Svcctl.cluster, "--node-name", "node-c", "--zone", "zone-c"]
        #expect(try other.svcctl(arguments).status == 0)
        let report = try StatusReport(of: other)
        #expect(report.lines(of: "shop/agent") == ["cluster IP 10.96.210.46:9000/TCP dropping"])
        let outside = report.lines(of: "edge/ingress").filter { !$0.hasPrefix("cluster IP") }
        #expect(outside.allSatisfy { $0.contains(" dropping") })

        #expect(try other.svcctl("apply", Svcctl.cluster, "--node-name", "node-b", "--zone", "zone-b").status == 0)
        let nodeB = try StatusReport(of: other)
        #expect(nodeB.lines(of: "shop/agent") == ["cluster IP 10.96.210.46:9000/TCP serving 192.0.2.11:9000"])
        #expect(nodeB.lines(of: "edge/ingress").contains("external IP 203.0.113.8:80/TCP serving 10.244.2.9:8080"))
    }
}
