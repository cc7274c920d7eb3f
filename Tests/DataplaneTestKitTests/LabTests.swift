import DataplaneTestKit
import NetAddress
import Testing

@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct LabTests {
    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func routesFromClientToPods(family: IPFamily, transport: TransportProtocol) throws {
        let lab = try Lab()
        let servers = try lab.startServers(transport: transport)
        for pod in lab.pods {
            let outcome = Client.probe(from: lab.client, to: pod.addresses[family], port: 8080, transport: transport)
            #expect(outcome.server == pod.name)
            #expect(outcome.seenAs == Lab.clientAddresses[family])
        }
        for server in servers { server.stop() }
    }

    @Test(arguments: IPFamily.allCases)
    func routesBetweenPodsAndFromTheNode(family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        for from in lab.pods {
            for to in lab.pods {
                let outcome = Client.probe(from: from.namespace, to: to.addresses[family], port: 8080)
                #expect(outcome.server == to.name)
                #expect(outcome.seenAs == from.addresses[family])
            }
        }
        let outcome = Client.probe(from: lab.node, to: lab.pods[0].addresses[family], port: 8080)
        #expect(outcome.seenAs == Lab.gatewayAddresses[family])
        withExtendedLifetime(servers) {}
    }

    /// Tests make one lab each, so it must not cost what would make one want to share it.
    @Test(.disabled(if: TestMachine.isEmulated)) func isQuickToMake() throws {
        let times = try (0..<5).map { _ in try ContinuousClock().measure { _ = try Lab() } }
        #expect(times.min() ?? .zero < .milliseconds(250))
    }

    @Test func serviceAddressesPassTheNode() throws {
        let lab = try Lab()
        let servers = try lab.startServers()
        try lab.node.nft(
            """
            table inet t {
                chain nat {
                    type nat hook prerouting priority dstnat
                    ip daddr 10.96.0.10 tcp dport 80 dnat ip to \
            numgen inc mod 3 map { 0 : 10.244.1.2, 1 : 10.244.1.3, 2 : 10.244.1.4 } : 8080
                    ip6 daddr fd00:96::10 tcp dport 80 dnat ip6 to [fd00:244:1::3]:8080
                }
            }

            """)
        let service = try #require(IPAddress("10.96.0.10"))
        let tally = try Client.tally(30, from: lab.client, to: service, port: 80)
        #expect(tally.answers == ["pod1": 10, "pod2": 10, "pod3": 10])
        #expect(tally.failures.isEmpty)
        let outcome = Client.probe(from: lab.client, to: try #require(IPAddress("fd00:96::10")), port: 80)
        #expect(outcome.server == "pod2")
        withExtendedLifetime(servers) {}
    }

    /// Pods on the second node reach everybody by the first one, each other too.
    @Test(arguments: IPFamily.allCases)
    func remotePodsAreBehindTheNode(family: IPFamily) throws {
        let lab = try Lab(pods: 1, remotePods: 2)
        let servers = try lab.startServers(families: [family])
        let (pod, remote) = (lab.pods[0], lab.remotePods[0])
        for (from, source) in [(lab.client, Lab.clientAddresses), (pod.namespace, pod.addresses)] {
            let outcome = Client.probe(from: from, to: remote.addresses[family], port: 8080)
            #expect(outcome.server == "remote1")
            #expect(outcome.seenAs == source[family])
        }
        let fromNode = Client.probe(from: lab.node, to: remote.addresses[family], port: 8080)
        #expect(fromNode.seenAs == Lab.nodeAddressesOnRemoteLink[family])
        try lab.node.nft(
            "flush ruleset\ntable inet t {\n chain c {\n type filter hook forward priority 0; drop\n }\n }\n")
        let neighbour = Client.probe(
            from: remote.namespace, to: lab.remotePods[1].addresses[family], port: 8080, timeout: .milliseconds(100))
        #expect(neighbour == .timedOut, "what the node drops does not arrive")
        try lab.node.nft("flush ruleset\n")
        for other in [lab.remotePods[1], pod] {
            let outcome = Client.probe(from: remote.namespace, to: other.addresses[family], port: 8080)
            #expect(outcome.server == other.name)
            #expect(outcome.seenAs == remote.addresses[family])
        }
        for server in servers { server.stop() }
    }
}
