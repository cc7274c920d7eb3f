import DataplaneTestKit
import NetAddress
import Testing

/// Real packets to the services of a real API server's output, on the node `node-a`.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ClusterTrafficTests {
    @Test func dualStackWeb() throws {
        let cluster = try ClusterLab()
        let web = try cluster.tally(30, to: "10.96.210.155", 80)
        #expect(web.servers == ["10.244.1.2:8080", "10.244.2.2:8080", "10.244.2.3:9090"])
        #expect(web.failures.isEmpty)
        let ipv6 = try cluster.tally(20, to: "fd00:96::c:b76c", 80)
        #expect(ipv6.servers == ["[fd00:244:1::2]:8080", "[fd00:244:2::2]:8080"])
        #expect(ipv6.failures.isEmpty)
        // Pods keep their address; who comes from outside of the cluster gets the node's.
        #expect(try cluster.probe(from: cluster.dns, to: "10.96.210.155", 80).seenAs == ip("10.244.1.3"))
        #expect(try cluster.probe(from: cluster.dns, to: "fd00:96::c:b76c", 80).seenAs == ip("fd00:244:1::3"))
        let outsider = try cluster.probe(from: cluster.lab.client, to: "10.96.210.155", 80)
        #expect(outsider.seenAs == Lab.gatewayAddresses.ipv4)
        // A port that the service does not have.
        #expect(try cluster.probe(from: cluster.dns, to: "10.96.210.155", 81) == .refused)
    }

    @Test func dnsOverBothTransports() throws {
        let cluster = try ClusterLab()
        for transport in [TransportProtocol.udp, .tcp] {
            let tally = try cluster.tally(20, to: "10.96.0.53", 53, transport)
            #expect(tally.servers == ["10.244.1.3:53", "10.244.2.4:53"])
            #expect(tally.failures.isEmpty)
        }
        let status = try StatusReport(of: cluster.lab.node)
        #expect(status.connections("10.96.0.53", 53, "UDP") == 20)
        #expect(status.connections("10.96.0.53", 53, "TCP") == 20)
    }

    /// External traffic policy Local, and source ranges that close the load balancer's address for pods.
    @Test func ingress() throws {
        let cluster = try ClusterLab()
        let client = cluster.lab.client
        for (address, port) in [("203.0.113.8", 80), ("192.0.2.10", 30795)] as [(String, UInt16)] {
            let outside = try Client.tally(10, from: client, to: ip(address), port: port)
            #expect(outside.answers == ["10.244.1.9:8080": 10])
            #expect(try cluster.probe(from: client, to: address, port).seenAs == Lab.clientAddresses.ipv4)
            if address == "203.0.113.8" {
                let pod = Client.probe(
                    from: cluster.dns, to: try ip(address), port: port, timeout: .milliseconds(200))
                #expect(pod == .timedOut)
            } else {
                let pod = try cluster.probe(from: cluster.dns, to: address, port)
                #expect(["10.244.1.9:8080", "10.244.2.9:8080"].contains(pod.server))
                #expect(try pod.seenAs == ip("10.244.1.3"))
            }
            let host = try cluster.probe(from: cluster.lab.node, to: address, port)
            #expect(["10.244.1.9:8080", "10.244.2.9:8080"].contains(host.server))
        }
    }

    @Test func everythingElse() throws {
        let cluster = try ClusterLab()
        let (client, pod) = (cluster.lab.client, cluster.dns)
        // External traffic policy Cluster, by node port and by external IP: masqueraded.
        for (address, port) in [("192.0.2.10", 30051), ("203.0.113.7", 50051)] as [(String, UInt16)] {
            let api = try cluster.probe(from: client, to: address, port)
            #expect(["10.244.1.20:50051", "10.244.2.20:50051"].contains(api.server))
            #expect(api.seenAs == Lab.gatewayAddresses.ipv4)
        }
        // Internal traffic policy Local.
        #expect(try Client.tally(8, from: pod, to: ip("10.96.210.46"), port: 9000).answers == ["192.0.2.10:9000": 8])
        #expect(try cluster.probe(from: pod, to: "10.96.68.18", 80).server == "10.244.2.50:8080")
        #expect(try cluster.probe(from: pod, to: "10.96.95.151", 80) == .refused)
        #expect(try cluster.probe(from: cluster.lab.node, to: "10.96.0.1", 443) == .refused)
        // Another proxy's service is none of ours.
        let meshed = Client.probe(from: pod, to: try ip("10.96.120.141"), port: 80, timeout: .milliseconds(100))
        #expect(meshed == .timedOut)
    }
}

/// A lab where the cluster's endpoints are at the addresses that the API server says.
///
/// The lab's node is `node-a`. Each server is named by its address and port. The pods of `node-b` are one namespace.
private struct ClusterLab {
    let lab: Lab
    private let nodeB: NetworkNamespace
    private let servers: [EchoServer]

    /// The DNS server's pod, as a client.
    var dns: NetworkNamespace { lab.pods[1].namespace }

    init() throws {
        lab = try Lab()
        nodeB = try NetworkNamespace("node-b")
        // pod1 is web-1, pod2 is DNS; pod3 takes the other addresses of this node.
        let third = lab.pods[2]
        let more = ["10.244.1.9", "10.244.1.10", "10.244.1.20"]
        try third.namespace.ip(more.map { "addr add \($0)/32 dev eth0" })
        try lab.node.ip(more.map { "route add \($0)/32 dev \(third.name)" })
        let blocks = ["10.244.2.0/24", "fd00:244:2::/64"].compactMap { CIDR($0) }
        let gateways = IPFamily.allCases.map { Lab.gatewayAddresses[$0] }
        try lab.node.connect(
            nodeB,
            near: .init("node-b", addresses: gateways.map(Self.alone), routes: blocks.map { .init($0) }),
            far: .init(
                "eth0", addresses: Self.nodeBAddresses.map(Self.alone),
                routes: gateways.compactMap { CIDR($0, prefixLength: $0.family == .ipv4 ? 32 : 128) }.map { .init($0) }
                    + gateways.compactMap { gateway in
                        CIDR(gateway, prefixLength: 0).map { .init($0, via: gateway) }
                    }))
        servers = try Self.servers(lab, nodeB)
        let result = try lab.node.svcctl(["apply", Svcctl.cluster, "--log-level", "error"] + Svcctl.clusterNode)
        guard result.status == 0 else { throw ProgramFailure(command: ["svcctl", "apply"], result: result) }
    }

    private static let nodeBAddresses = [
        "10.244.2.2", "10.244.2.3", "10.244.2.4", "10.244.2.9", "10.244.2.20", "10.244.2.50", "fd00:244:2::2",
    ].compactMap { IPAddress($0) }

    private static func alone(_ address: IPAddress) -> InterfaceAddress {
        InterfaceAddress(address, prefixLength: address.family == .ipv4 ? 32 : 128)
    }

    private static func servers(_ lab: Lab, _ nodeB: NetworkNamespace) throws -> [EchoServer] {
        let pods = lab.pods.map(\.namespace)
        let tcp: [(NetworkNamespace, String, UInt16)] = [
            (pods[0], "10.244.1.2", 8080), (pods[0], "fd00:244:1::2", 8080), (pods[1], "10.244.1.3", 53),
            (pods[2], "10.244.1.9", 8080), (pods[2], "10.244.1.10", 8080), (pods[2], "10.244.1.20", 50051),
            (lab.node, "192.0.2.10", 9000), (nodeB, "10.244.2.2", 8080), (nodeB, "fd00:244:2::2", 8080),
            (nodeB, "10.244.2.3", 9090), (nodeB, "10.244.2.4", 53), (nodeB, "10.244.2.9", 8080),
            (nodeB, "10.244.2.20", 50051), (nodeB, "10.244.2.50", 8080),
        ]
        let udp: [(NetworkNamespace, String, UInt16)] = [(pods[1], "10.244.1.3", 53), (nodeB, "10.244.2.4", 53)]
        return try tcp.map { try server($0, .tcp) } + udp.map { try server($0, .udp) }
    }

    private static func server(
        _ place: (NetworkNamespace, String, UInt16), _ transport: TransportProtocol
    ) throws -> EchoServer {
        let (namespace, text, port) = place
        let address = try ip(text)
        let name = address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
        return try EchoServer(in: namespace, address: address, port: port, transport: transport, name: name)
    }

    func probe(from namespace: NetworkNamespace, to address: String, _ port: UInt16) throws -> Outcome {
        Client.probe(from: namespace, to: try ip(address), port: port, timeout: .seconds(2))
    }

    /// Many connections of the DNS server's pod.
    func tally(_ count: Int, to address: String, _ port: UInt16, _ transport: TransportProtocol = .tcp) throws -> Tally
    {
        try Client.tally(count, from: dns, to: ip(address), port: port, transport: transport, timeout: .seconds(2))
    }
}
