import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Real connections through every kind of frontend (semantics 2, 6, 18, 19, 22, 23, 26, 29, 30).
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct TrafficTests {
    enum Kind: String, CaseIterable, Sendable {
        case clusterIP, externalIP, loadBalancerIP, nodePort
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var kind: Kind
        var family: IPFamily
        var transport: TransportProtocol

        var testDescription: String { "\(kind.rawValue) \(family) \(transport)" }

        static let all = Kind.allCases.flatMap { kind in
            IPFamily.allCases.flatMap { family in
                [TransportProtocol.tcp, .udp].map { Case(kind: kind, family: family, transport: $0) }
            }
        }
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

    @Test(arguments: Case.all)
    func balancesAndMasquerades(_ test: Case) throws {
        let lab = try Lab()
        let servers = try lab.startServers(transport: test.transport, families: [test.family])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.everyKind(test.transport)]).apply(in: lab.node)
        let (address, port) = Self.target(test)

        let tally = try Client.tally(40, from: lab.client, to: address, port: port, transport: test.transport)
        #expect(tally.failures.isEmpty)
        #expect(tally.servers == ["pod1", "pod2", "pod3"])

        // Who comes through an external address is masqueraded; who uses a cluster IP is not (semantics 18 and 19).
        let fromClient = Client.probe(from: lab.client, to: address, port: port, transport: test.transport)
        let expected = test.kind == .clusterIP ? Lab.clientAddresses[test.family] : Lab.gatewayAddresses[test.family]
        #expect(fromClient.seenAs == expected)

        // From a process on the node, and from a pod that may meet itself (semantics 22).
        let fromNode = try Client.tally(10, from: lab.node, to: address, port: port, transport: test.transport)
        #expect(fromNode.failures.isEmpty)
        let fromPod = try Client.tally(
            20, from: lab.pods[0].namespace, to: address, port: port, transport: test.transport)
        #expect(fromPod.failures.isEmpty)
        #expect(fromPod.servers.contains("pod1"), "a pod reaches itself through its service")
    }

    @Test(arguments: Case.all)
    func refusesWithoutEndpoints(_ test: Case) throws {
        let lab = try Lab(pods: 1)
        try Desired(services: [Self.everyKind(test.transport, pods: 0)]).apply(in: lab.node)
        let (address, port) = Self.target(test)
        for namespace in [lab.client, lab.node, lab.pods[0].namespace] {
            let outcome = Client.probe(from: namespace, to: address, port: port, transport: test.transport)
            // The kernel tells a process on the node itself that its datagram was not let out (EPERM).
            let isOwnDatagram = namespace.name == "node" && test.transport == .udp
            #expect(outcome == .refused || isOwnDatagram && outcome == .unreachable(1), "from \(namespace.name)")
        }
    }

    /// Semantics 31: what a cluster IP does not define is refused, and does not wander off by the default route.
    @Test(arguments: IPFamily.allCases)
    func refusesUndefinedPortsOfClusterIPs(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        try Desired(services: [Self.everyKind(.tcp, pods: 1)]).apply(in: lab.node)
        for namespace in [lab.client, lab.node, lab.pods[0].namespace] {
            let outcome = Client.probe(from: namespace, to: Self.clusterIPs[family], port: 81)
            #expect(outcome == .refused, "from \(namespace.name)")
        }
    }

    /// Semantics 31: an address of the service blocks that no service has is dropped, and does not leave the node.
    @Test(arguments: IPFamily.allCases) func dropsUnallocatedServiceAddresses(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        // Where the packet would go by the default route, something answers.
        let unallocated: IPAddress = family == .ipv4 ? "10.96.0.99" : "fd00:96::99"
        try lab.client.ip(["address add \(unallocated)/\(family.addressBits) dev lo"])
        let outside = try EchoServer(in: lab.client, address: unallocated, port: 80, name: "outside")
        defer { outside.stop() }
        var desired = Desired(services: [Self.everyKind(.tcp, pods: 1)])
        try desired.apply(in: lab.node)
        let pod = lab.pods[0].namespace
        #expect(Client.probe(from: pod, to: unallocated, port: 80).server == "outside")
        desired.node.serviceCIDRs = ["10.96.0.0/16", "fd00:96::/112"].compactMap { CIDR($0) }
        try desired.apply(in: lab.node)
        #expect(Client.probe(from: pod, to: unallocated, port: 80, timeout: .milliseconds(150)) == .timedOut)
        #expect(Client.probe(from: pod, to: Self.clusterIPs[family], port: 80).server == "pod1")
    }

    /// Semantics 18: with a cluster CIDR, only what comes from outside of it is masqueraded on its way to a cluster IP.
    @Test(arguments: IPFamily.allCases)
    func masqueradesFromOutsideTheCluster(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        var desired = Desired(services: [Self.everyKind(.tcp)])
        desired.node.clusterCIDRs = ["10.200.0.0/16", "10.244.0.0/16", "fd00:200::/32", "fd00:244::/32"]
            .compactMap { CIDR($0) }
        try desired.apply(in: lab.node)
        let address = Self.clusterIPs[family]
        #expect(Client.probe(from: lab.client, to: address, port: 80).seenAs == Lab.gatewayAddresses[family])

        // A pod keeps its address, except towards itself.
        for _ in 0..<12 {
            let outcome = Client.probe(from: lab.pods[1].namespace, to: address, port: 80)
            let expected = outcome.server == "pod2" ? Lab.gatewayAddresses[family] : Lab.podAddresses(2)[family]
            #expect(outcome.seenAs == expected)
        }

        desired.node = NodeFacts(nodeName: "node-a", masqueradeAll: true)
        try desired.apply(in: lab.node)
        let fromPod = Client.probe(from: lab.pods[1].namespace, to: address, port: 80)
        #expect(fromPod.seenAs == Lab.gatewayAddresses[family])
    }

    /// Semantics 22: without the guard on redirected connections, a pod that calls itself directly would be masqueraded.
    @Test(arguments: IPFamily.allCases)
    func leavesDirectTrafficAlone(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.everyKind(.tcp)]).apply(in: lab.node)
        let outcome = Client.probe(from: lab.client, to: Lab.podAddresses(1)[family], port: 8080)
        #expect(outcome.seenAs == Lab.clientAddresses[family])
        #expect(outcome.server == "pod1")
    }

    /// Semantics 5 and 6: node ports answer on the chosen addresses alone, and never on loopback.
    @Test func nodePortAddresses() throws {
        let lab = try Lab()
        let servers = try lab.startServers()
        defer { for server in servers { server.stop() } }
        var desired = Desired(services: [Self.everyKind(.tcp)])
        desired.node.nodePortAddresses = ["10.244.1.0/24"].compactMap { CIDR($0) }
        try desired.apply(in: lab.node)
        #expect(Client.probe(from: lab.client, to: Lab.nodeAddresses.ipv4, port: 30080) == .refused)
        #expect(Client.probe(from: lab.client, to: Lab.gatewayAddresses.ipv4, port: 30080).server != nil)
        // Blocks of one family open nothing in the other.
        #expect(Client.probe(from: lab.client, to: Lab.nodeAddresses.ipv6, port: 30080) == .refused)

        desired.node.nodePortAddresses = nil
        try desired.apply(in: lab.node)
        #expect(Client.probe(from: lab.client, to: Lab.nodeAddresses.ipv6, port: 30080).server != nil)
        #expect(Client.probe(from: lab.node, to: "127.0.0.1", port: 30080) == .refused)
        #expect(Client.probe(from: lab.node, to: "::1", port: 30080) == .refused)
    }

    /// Semantics 28: the last endpoint goes, new connections are refused, and established ones live on.
    @Test func establishedConnectionsOutliveTheirEndpoint() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.everyKind(.tcp, pods: 1)]).apply(in: lab.node)
        let connection = try LongConnection(from: lab.client, to: Self.clusterIPs.ipv4, port: 80)
        #expect(try connection.exchange("before") == "before")
        try Desired(services: [Self.everyKind(.tcp, pods: 0)]).apply(in: lab.node)
        #expect(try connection.exchange("after") == "after")
        #expect(Client.probe(from: lab.client, to: Self.clusterIPs.ipv4, port: 80) == .refused)
    }

    /// Semantics 20, 26 and 27: external policy Local.
    @Test(arguments: IPFamily.allCases)
    func externalPolicyLocal(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        func service(localPods: Set<Int>) -> Service {
            var service = Self.everyKind(.tcp)
            service.externalTrafficPolicy = .local
            for index in service.endpoints.indices {
                let number = 1 + index / 2
                service.endpoints[index].nodeName = localPods.contains(number) ? "node-a" : "node-b"
            }
            return service
        }
        let targets = Kind.allCases.filter { $0 != .clusterIP }.map {
            Self.target(Case(kind: $0, family: family, transport: .tcp))
        }
        try Desired(services: [service(localPods: [2])]).apply(in: lab.node)
        for (address, port) in targets {
            let outside = try Client.tally(12, from: lab.client, to: address, port: port)
            #expect(outside.servers == ["pod2"] && outside.failures.isEmpty)
            #expect(Client.probe(from: lab.client, to: address, port: port).seenAs == Lab.clientAddresses[family])
            let inside = try Client.tally(30, from: lab.node, to: address, port: port)
            #expect(inside.servers == ["pod1", "pod2", "pod3"] && inside.failures.isEmpty)
        }
        // None here, some elsewhere: dropped for others, served for the node's own.
        try Desired(services: [service(localPods: [])]).apply(in: lab.node)
        for (address, port) in targets {
            let outside = Client.probe(
                from: lab.client, to: address, port: port, timeout: .milliseconds(150))
            #expect(outside == .timedOut)
            #expect(Client.probe(from: lab.node, to: address, port: port).server != nil)
        }
    }

    /// Internal policy Local: only this node's endpoints, and nothing if there are none.
    @Test(arguments: IPFamily.allCases)
    func internalPolicyLocal(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        var service = Self.everyKind(.tcp)
        service.internalTrafficPolicy = .local
        for index in service.endpoints.indices {
            service.endpoints[index].nodeName = index / 2 == 1 ? "node-a" : "node-b"
        }
        try Desired(services: [service]).apply(in: lab.node)
        let address = Self.clusterIPs[family]
        for namespace in [lab.pods[0].namespace, lab.node] {
            #expect(try Client.tally(10, from: namespace, to: address, port: 80).servers == ["pod2"])
        }
        var elsewhere = Desired(services: [service])
        elsewhere.node.nodeName = "node-c"
        try elsewhere.apply(in: lab.node)
        let outcome = Client.probe(
            from: lab.pods[0].namespace, to: address, port: 80, timeout: .milliseconds(150))
        #expect(outcome == .timedOut)
    }

    /// Weights are shares of new connections.
    @Test func weights() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        var service = Service.test(
            "web", clusterIPs: [Self.clusterIPs.ipv4], endpoints: (1...3).map { Lab.podAddresses($0).ipv4 })
        for (index, weight) in [0, 1, 4].enumerated() { service.endpoints[index].weight = UInt16(weight) }
        try Desired(services: [service]).apply(in: lab.node)
        let tally = try Client.tally(200, from: lab.client, to: Self.clusterIPs.ipv4, port: 80)
        #expect(tally.servers == ["pod2", "pod3"])
        // 40 of 200 are expected; 5 standard deviations are 28.
        #expect((12...68).contains(tally.answers["pod2"] ?? 0))
    }

    /// Semantics 25: an endpoint in the host network is reached from outside, from pods, and from the node itself, whose
    /// packets leave by `output` and come back by `input`.
    @Test(arguments: IPFamily.allCases) func endpointInTheHostNetwork(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let server = try EchoServer(
            in: lab.node, address: Lab.nodeAddresses[family], port: 8080, name: "node")
        defer { server.stop() }
        var service = Self.everyKind(.tcp, pods: 0)
        service.endpoints = [Endpoint(address: Lab.nodeAddresses[family])]
        service.endpoints[0].nodeName = "node-a"
        try Desired(services: [service]).apply(in: lab.node)
        for kind in Kind.allCases {
            let (address, port) = Self.target(Case(kind: kind, family: family, transport: .tcp))
            for namespace in [lab.client, lab.node, lab.pods[0].namespace] {
                let outcome = Client.probe(from: namespace, to: address, port: port)
                #expect(outcome.server == "node", "\(kind) from \(namespace.name): \(outcome)")
            }
        }
    }

    /// Semantics 33: an error that an endpoint sends about a redirected datagram reaches its client.
    @Test(arguments: IPFamily.allCases) func errorsOfEndpointsComeBack(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        try Desired(services: [Self.everyKind(.udp, pods: 1)]).apply(in: lab.node)
        // Nothing listens on the pod's port, so the pod itself answers with port unreachable.
        let outcome = Client.probe(from: lab.client, to: Self.clusterIPs[family], port: 80, transport: .udp)
        #expect(outcome == .refused)
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

    /// Semantics 4, 9 and 34: the list closes load-balancer addresses for new connections, and nothing else.
    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func sourceRanges(_ family: IPFamily, _ transport: TransportProtocol) throws {
        let lab = try Lab()
        let servers = try lab.startServers(transport: transport, families: [family])
        defer { for server in servers { server.stop() } }
        func outcome(_ kind: Kind, _ ranges: [String], from namespace: NetworkNamespace) throws -> Outcome {
            var service = Self.everyKind(transport)
            service.loadBalancerSourceRanges = ranges.compactMap { CIDR($0) }
            try Desired(services: [service]).apply(in: lab.node)
            let (address, port) = Self.target(Case(kind: kind, family: family, transport: transport))
            return Client.probe(
                from: namespace, to: address, port: port, transport: transport, timeout: .milliseconds(300))
        }
        let client = lab.client
        let allowed = ["192.0.2.100/32", "2001:db8::100/128", "192.0.2.96/27", "2001:db8::100/120"]
        let others = ["198.51.100.0/24", "2001:db8:1::/48"]
        #expect(try outcome(.loadBalancerIP, allowed, from: client).server != nil)
        #expect(try outcome(.loadBalancerIP, others, from: client) == .timedOut)
        for kind in [Kind.clusterIP, .externalIP, .nodePort] {
            #expect(try outcome(kind, others, from: client).server != nil, "\(kind) is open")
        }
        // A list for the other family alone closes this one; all addresses open it.
        let foreign = family == .ipv4 ? ["2001:db8::/32"] : ["192.0.2.0/24"]
        #expect(try outcome(.loadBalancerIP, foreign, from: client) == .timedOut)
        #expect(try outcome(.loadBalancerIP, others + ["0.0.0.0/0", "::/0"], from: client).server != nil)
        // The node's own processes are no exception, where their address is not in the list.
        #expect(try outcome(.loadBalancerIP, allowed, from: lab.node).server == nil)
        #expect(
            try outcome(.loadBalancerIP, ["192.0.2.10/32", "2001:db8::10/128"], from: lab.node).server != nil)
    }

    /// Semantics 34: who is connected stays so when the list closes.
    @Test func narrowerSourceRangesKeepConnections() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        var service = Self.everyKind(.tcp, pods: 1)
        try Desired(services: [service]).apply(in: lab.node)
        let connection = try LongConnection(from: lab.client, to: Self.loadBalancerIPs.ipv4, port: 80)
        #expect(try connection.exchange("before") == "before")
        service.loadBalancerSourceRanges = ["198.51.100.0/24"].compactMap { CIDR($0) }
        try Desired(services: [service]).apply(in: lab.node)
        #expect(try connection.exchange("after") == "after")
        let again = Client.probe(
            from: lab.client, to: Self.loadBalancerIPs.ipv4, port: 80, timeout: .milliseconds(150))
        #expect(again == .timedOut)
    }

    /// Semantics 35: where the address is bound to the node, the node's own connections come from the address itself.
    @Test func theAddressItselfIsAllowed() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try lab.node.ip(["address add \(Self.loadBalancerIPs.ipv4)/32 dev lo"])
        var service = Self.everyKind(.tcp)
        service.loadBalancerSourceRanges = ["192.0.2.10/32"].compactMap { CIDR($0) }
        func fromNode(_ desired: Desired) throws -> Outcome {
            try desired.apply(in: lab.node)
            return Client.probe(from: lab.node, to: Self.loadBalancerIPs.ipv4, port: 80, timeout: .milliseconds(200))
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
            "port", clusterIPs: [Self.clusterIPs[family]], nodePort: 30080, endpoints: [Lab.podAddresses(1)[family]])
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
