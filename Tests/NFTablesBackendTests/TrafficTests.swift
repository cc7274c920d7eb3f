import DataplaneConformance
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// The service that tests of this backend share, and what they look for in packets that nf_tables alone can tell. Which
/// connections come to what stands in the conformance suite.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct TrafficTests {
    enum Kind: String, CaseIterable, Sendable {
        case clusterIP, externalIP, loadBalancerIP, nodePort
    }

    struct Case: Sendable {
        var kind: Kind
        var family: IPFamily
        var transport: TransportProtocol
    }

    static let clusterIPs = DualStack(ipv4: "10.96.0.10", ipv6: "fd00:96::10")
    static let externalIPs = DualStack(ipv4: "203.0.113.7", ipv6: "2001:db8:ffff::7")
    static let loadBalancerIPs = DualStack(ipv4: "203.0.113.8", ipv6: "2001:db8:ffff::8")

    static func everyKind(_ transport: TransportProtocol, pods: Int = 3) -> Service {
        let addresses = (1...3).prefix(pods).flatMap { number in
            IPFamily.allCases.map { Lab.podAddresses(number)[$0] }
        }
        return .test(
            "web", clusterIPs: [clusterIPs.ipv4, clusterIPs.ipv6], transport: transport, nodePort: 30080,
            endpoints: addresses
        ) {
            $0.externalIPs = [externalIPs.ipv4, externalIPs.ipv6]
            $0.loadBalancerIPs = [loadBalancerIPs.ipv4, loadBalancerIPs.ipv6]
        }
    }

    static func target(_ test: Case) -> (address: IPAddress, port: UInt16) {
        switch test.kind {
        case .clusterIP: (clusterIPs[test.family], 80)
        case .externalIP: (externalIPs[test.family], 80)
        case .loadBalancerIP: (loadBalancerIPs[test.family], 80)
        case .nodePort: (Lab.nodeAddresses[test.family], 30080)
        }
    }

    /// Semantics 23: the mark bit is gone when the packet leaves, so that nothing later takes it for its own.
    @Test func clearsTheMarkBit() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        var desired = Desired(services: [Self.everyKind(.tcp)])
        desired.node.masqueradeAll = true
        try desired.apply(in: lab.node)
        try lab.node.nft(
            """
            table ip watcher {
                chain before { type filter hook forward priority 0; ct state new meta mark & 0x4000 != 0 counter; }
                chain after { type filter hook postrouting priority 200; ct state new meta mark != 0 counter; }
            }

            """)
        #expect(Client.probe(from: lab.client, to: Self.clusterIPs.ipv4, port: 80).seenAs == Lab.gatewayAddresses.ipv4)
        let listing = try lab.node.tool(["nft", "list", "table", "ip", "watcher"])
        #expect(listing.contains("0x00004000 != 0x00000000 counter packets 1"), "\(listing)")
        #expect(listing.contains("mark != 0x00000000 counter packets 0"), "\(listing)")
    }
}
