import DataplaneConformance
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Services and endpoints at the node's own addresses, where rules easily mistake one for the other.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct NodeAddressTests {
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

    /// An endpoint in the host network may have the address and port that clients use; its turn is like any other.
    @Test(arguments: IPFamily.allCases) func turnOfTheAddressItself(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let address = Lab.nodeAddresses[family]
        // A datagram is sent once, where TCP would try again and meet the next turn.
        let server = try EchoServer(in: lab.node, address: address, port: 8080, transport: .udp, name: "node")
        let pods = try lab.startServers(transport: .udp, families: [family])
        defer { for server in pods + [server] { server.stop() } }
        let service = Service.test("web", transport: .udp, endpoints: [address, Lab.podAddresses(1)[family]]) {
            $0.scheduler = .roundRobin
            $0.externalIPs = [address]
            $0.ports[0].port = 8080
        }
        try Desired(services: [service]).apply(in: lab.node)
        for namespace in [lab.client, lab.node] {
            let servers = (0..<4).map { _ in
                Client.probe(from: namespace, to: address, port: 8080, transport: .udp, timeout: .seconds(1)).server
            }
            #expect(Set(servers) == ["node", "pod1"])
        }
    }

    /// Semantics 35: where the address is bound to the node, the node's own connections come from the address itself.
    @Test func theAddressItselfIsAllowed() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try lab.node.ip(["address add \(TrafficTests.loadBalancerIPs.ipv4)/32 dev lo"])
        var service = TrafficTests.everyKind(.tcp)
        service.loadBalancerSourceRanges = ["192.0.2.10/32"].compactMap { CIDR($0) }
        func fromNode(_ desired: Desired) throws -> Outcome {
            try desired.apply(in: lab.node)
            return Client.probe(
                from: lab.node, to: TrafficTests.loadBalancerIPs.ipv4, port: 80, timeout: .milliseconds(200))
        }
        var desired = Desired(services: [service])
        #expect(try fromNode(desired).server != nil)
        desired.node.addresses = [Lab.nodeAddresses.ipv4]
        #expect(try fromNode(desired).server != nil)
        // Ranges without any address of the node close the address to the node too.
        desired.services[0].loadBalancerSourceRanges = ["198.51.100.0/24"].compactMap { CIDR($0) }
        #expect(try fromNode(desired).server == nil)
    }

    /// Semantics 6 and 26: an address of a service that is the node's own comes before a node port of the same number,
    /// also where nothing serves it, and node ports' lists and memories do not concern it.
    @Test(arguments: IPFamily.allCases) func serviceAddressesComeBeforeNodePorts(_ family: IPFamily) throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        var nodePort = Service.test(
            "port", clusterIPs: [TrafficTests.clusterIPs[family]], nodePort: 30080,
            endpoints: [Lab.podAddresses(1)[family]])
        nodePort.clientIPAffinitySeconds = 60
        nodePort.deniedSources = [CIDR(Lab.clientAddresses[family])]
        nodePort.maxConnectionsPerSource = 1
        var external = Service.test("external", endpoints: [Lab.podAddresses(2)[family]])
        external.externalIPs = [Lab.nodeAddresses[family]]
        external.ports[0].port = 30080
        func outcome(_ services: [Service]) throws -> Outcome {
            try Desired(services: services).apply(in: lab.node)
            return Client.probe(
                from: lab.client, to: Lab.nodeAddresses[family], port: 30080, timeout: .milliseconds(300))
        }
        for _ in 0..<3 { #expect(try outcome([nodePort, external]).server == "pod2") }
        external.endpoints = []
        #expect(try outcome([nodePort, external]) == .refused)
        #expect(try outcome([nodePort]) == .timedOut)
        nodePort.deniedSources = []
        #expect(try outcome([nodePort]).server == "pod1")
    }
}
