import DataplaneConformance
import DataplaneTestKit
import NFTables
import NFTablesBackend
import NetAddress
import PacketTrace
import ServiceModel
import ServicePlan
import Testing

/// The trace against real packets: what it says must be what happens.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct TraceTests {
    typealias Traced = PacketTrace.Outcome

    /// Who connects.
    struct Client: Sendable {
        var namespace: NetworkNamespace
        var addresses: DualStack
        var origin: Packet.Origin

        /// A machine outside, a process of the node, and the last pod.
        static func all(_ lab: Lab) -> [Client] {
            let pods = lab.pods.suffix(1).map {
                Client(namespace: $0.namespace, addresses: $0.addresses, origin: .interface($0.name))
            }
            return [
                Client(namespace: lab.client, addresses: Lab.clientAddresses, origin: .interface("client")),
                Client(namespace: lab.node, addresses: Lab.nodeAddresses, origin: .node),
            ] + pods
        }

        /// The address that its kernel takes: the node reaches pods from the gateway's address.
        func source(for destination: IPAddress) -> IPAddress {
            let family = destination.family
            let isPod = (1...4).contains { Lab.podAddresses($0)[family] == destination }
            return origin == .node && isPod ? Lab.gatewayAddresses[family] : addresses[family]
        }
    }

    /// The node's own addresses.
    static let view = NodeView(
        addresses: Set(IPFamily.allCases.flatMap { [Lab.nodeAddresses[$0], Lab.gatewayAddresses[$0]] }))

    /// The rules as they should be, and as the kernel has them.
    private func tracers(_ desired: Desired, _ lab: Lab) throws -> [Tracer] {
        [Tracer(desired.ruleset), Tracer(try #require(try actual(desired, lab.node)))]
    }

    private func actual(_ desired: Desired, _ namespace: NetworkNamespace) throws -> Ruleset? {
        try namespace.run {
            var backend = NFTablesBackend(options: desired.options)
            return try backend.actualRuleset()
        }
    }

    private func path(
        _ tracer: Tracer, _ client: Client, _ to: NFTables.SocketAddress, _ transport: TransportProtocol
    ) throws -> PacketPath {
        let packet = Packet(from: client.source(for: to.address), to: to, transport: transport, origin: client.origin)
        return tracer.path(of: try #require(packet), on: Self.view)
    }

    /// Compares the traces with many connections.
    private func compare(
        _ desired: Desired, _ lab: Lab, to address: IPAddress, _ port: UInt16,
        _ transport: TransportProtocol = .tcp
    ) throws {
        for client in Client.all(lab) {
            let place = "\(client.namespace.name) to \(address) port \(port)/\(transport)"
            let paths = try tracers(desired, lab).map { try path($0, client, .init(address, port), transport) }
            for path in paths {
                #expect(path.outcomes.reduce(.zero) { $0 + $1.probability } == .one)
                let first = paths[0].outcomes.map(\.outcome)
                #expect(path.outcomes.map(\.outcome) == first, "desired and actual differ: \(place)")
            }
            try compare(paths[0], client, place)
        }
    }

    /// One connection after another: each must be one that the trace allows, and in the end none may be missing.
    private func compare(_ path: PacketPath, _ client: Client, _ place: String) throws {
        let to = path.packet.destination
        let isSilent = path.outcomes.allSatisfy { $0.outcome == .dropped || $0.outcome == .unchanged }
        let expected: Set<Traced> = Set(path.outcomes.map(\.outcome))
        var missing = expected
        for _ in 0..<(isSilent ? 1 : expected.count == 1 ? 3 : 60) {
            let outcome = DataplaneTestKit.Client.probe(
                from: client.namespace, to: to.address, port: to.port, transport: path.packet.transport,
                timeout: .milliseconds(isSilent ? 150 : 2000))
            let seen = traced(outcome, path)
            try #require(expected.contains(seen), "\(place): \(outcome)\n\(path.text())")
            missing.remove(seen)
        }
        #expect(missing.isEmpty, "\(place): never seen\n\(path.text())")
    }

    /// What a client saw, as a trace would say it.
    private func traced(_ outcome: DataplaneTestKit.Outcome, _ path: PacketPath) -> Traced {
        let family = path.packet.family
        switch outcome {
        case .answered(let server, let seenAs, _):
            let number = Int(server.dropFirst(3)) ?? 0
            let address = NFTables.SocketAddress(Lab.podAddresses(number)[family], 8080)
            let isMasqueraded = seenAs != path.packet.source
            if address == path.packet.destination, !isMasqueraded { return .unchanged }
            return .delivered(to: address, masqueraded: isMasqueraded)
        case .refused: return path.probability(of: .unchanged) == .one ? .unchanged : .refused
        case .timedOut: return path.probability(of: .unchanged) == .one ? .unchanged : .dropped
        // The kernel tells a process of the node that its datagram was not let out, whether refused or dropped.
        case .unreachable: return path.probability(of: .dropped) == .one ? .dropped : .refused
        }
    }

    private static let clusterCIDRs = ["10.200.0.0/16", "10.244.0.0/16", "fd00:200::/32", "fd00:244::/32"]
        .compactMap { CIDR($0) }

    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func everyKind(_ family: IPFamily, _ transport: TransportProtocol) throws {
        let lab = try Lab()
        let servers = try lab.startServers(transport: transport, families: [family])
        defer { for server in servers { server.stop() } }
        for pods in [3, 0] {
            let desired = Desired(services: [TrafficTests.everyKind(transport, pods: pods)])
            // A client's next socket may have the port of an earlier one.
            try desired.applyAndEndFlows(in: lab.node)
            for kind in TrafficTests.Kind.allCases {
                let (address, port) = TrafficTests.target(.init(kind: kind, family: family, transport: transport))
                try compare(desired, lab, to: address, port, transport)
            }
        }
    }

    @Test(arguments: IPFamily.allCases) func masqueradingOptions(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        var desired = Desired(services: [TrafficTests.everyKind(.tcp)])
        desired.node.clusterCIDRs = Self.clusterCIDRs
        desired.node.serviceCIDRs = ["10.96.0.0/16", "fd00:96::/112"].compactMap { CIDR($0) }
        try desired.apply(in: lab.node)
        let address = TrafficTests.clusterIPs[family]
        try compare(desired, lab, to: address, 80)
        try compare(desired, lab, to: address, 81)
        try compare(desired, lab, to: family == .ipv4 ? "10.96.0.99" : "fd00:96::99", 80)
        // An endpoint itself, and its port on the node.
        try compare(desired, lab, to: Lab.podAddresses(2)[family], 8080)
        desired.node.masqueradeAll = true
        try desired.apply(in: lab.node)
        try compare(desired, lab, to: address, 80)
    }

    @Test(arguments: IPFamily.allCases) func policiesAndRanges(_ family: IPFamily) throws {
        // The fourth pod is no endpoint: where endpoints say that they are elsewhere, nobody expects them as clients.
        let lab = try Lab(pods: 4)
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        for localPods in [[2], []] as [Set<Int>] {
            var service = TrafficTests.everyKind(.tcp)
            service.externalTrafficPolicy = .local
            service.loadBalancerSourceRanges = ["192.0.2.0/28", "2001:db8::/124"].compactMap { CIDR($0) }
            for index in service.endpoints.indices {
                service.endpoints[index].nodeName = localPods.contains(1 + index / 2) ? "node-a" : "node-b"
            }
            var desired = Desired(services: [service])
            desired.node.clusterCIDRs = Self.clusterCIDRs
            try desired.apply(in: lab.node)
            for kind in TrafficTests.Kind.allCases {
                let (address, port) = TrafficTests.target(.init(kind: kind, family: family, transport: .tcp))
                try compare(desired, lab, to: address, port)
            }
        }
    }

    /// What the node sends to itself comes in again through loopback.
    @Test(arguments: IPFamily.allCases) func endpointInTheHostNetwork(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let address = Lab.nodeAddresses[family]
        let server = try EchoServer(in: lab.node, address: address, port: 8080, name: "node")
        defer { server.stop() }
        var service = TrafficTests.everyKind(.tcp, pods: 0)
        service.endpoints = [Endpoint(address: address)]
        service.endpoints[0].nodeName = "node-a"
        let desired = Desired(services: [service])
        try desired.apply(in: lab.node)
        for kind in TrafficTests.Kind.allCases {
            let (to, port) = TrafficTests.target(.init(kind: kind, family: family, transport: .tcp))
            for client in Client.all(lab) {
                let path = try path(Tracer(desired.ruleset), client, .init(to, port), .tcp)
                let seen = DataplaneTestKit.Client.probe(from: client.namespace, to: to, port: port)
                let isMasqueraded =
                    path.probability(of: .delivered(to: .init(address, 8080), masqueraded: true)) == .one
                #expect(
                    isMasqueraded
                        || path.outcomes.map(\.outcome) == [.delivered(to: .init(address, 8080), masqueraded: false)])
                #expect(seen.server == "node")
                if !isMasqueraded { #expect(seen.seenAs == path.packet.source) }
            }
        }
    }

    /// Weights are exact shares.
    @Test func weights() throws {
        var service = Service.test(
            "web", clusterIPs: [TrafficTests.clusterIPs.ipv4], endpoints: (1...3).map { Lab.podAddresses($0).ipv4 })
        for (index, weight) in [0, 1, 4].enumerated() { service.endpoints[index].weight = UInt16(weight) }
        let packet = Packet(
            from: Lab.clientAddresses.ipv4, to: .init(TrafficTests.clusterIPs.ipv4, 80), origin: .interface(nil))
        let path = Tracer(Desired(services: [service]).ruleset).path(of: try #require(packet), on: Self.view)
        #expect(path.outcomes.map(\.probability) == [Fraction(4, 5), Fraction(1, 5)])
        #expect(path.definitions == ["test/web:web"])
    }

    /// A packet may meet a change half way: whatever it addresses, it is then dropped, and its client tries again.
    @Test func aMissingSlotDrops() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let desired = Desired(services: [TrafficTests.everyKind(.tcp, pods: 1)])
        try desired.apply(in: lab.node)
        let keys = [TrafficTests.clusterIPs, TrafficTests.externalIPs, TrafficTests.loadBalancerIPs].map {
            "endpoints_1 { \($0.ipv4) . tcp . 80 . 0 }"
        }
        for key in keys + ["node_port_endpoints_1 { tcp . 30080 . 0 }"] {
            try lab.node.nft("delete element ip svcctl \(key)\n")
        }
        let tracer = Tracer(try #require(try actual(desired, lab.node)))
        for kind in TrafficTests.Kind.allCases {
            let (address, port) = TrafficTests.target(.init(kind: kind, family: .ipv4, transport: .tcp))
            for client in Client.all(lab) {
                let path = try path(tracer, client, .init(address, port), .tcp)
                #expect(path.outcomes.map(\.outcome) == [.dropped], "\(kind)")
            }
            let seen = DataplaneTestKit.Client.probe(
                from: lab.client, to: address, port: port, timeout: .milliseconds(200))
            #expect(seen == .timedOut, "\(kind)")
        }
    }

    /// Somebody tears the rules: the trace of what the kernel has says what really happens.
    @Test func foreignChanges() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let desired = Desired(services: [TrafficTests.everyKind(.tcp)])
        let address = TrafficTests.clusterIPs.ipv4
        let clients = Client.all(lab)
        func now() throws -> PacketPath {
            let tracer = Tracer(try #require(try actual(desired, lab.node)))
            return try path(tracer, clients[0], .init(address, 80), .tcp)
        }
        try desired.apply(in: lab.node)
        // A slot without an endpoint: what falls through is dropped, since the next attempt may find one.
        try lab.node.nft("delete element ip svcctl endpoints_3 { \(address) . tcp . 80 . 1 }\n")
        let torn = try now()
        #expect(torn.probability(of: .dropped) == Fraction(1, 3))
        try compare(torn, clients[0], "a missing slot")

        try lab.node.nft("delete element ip svcctl cluster_services { \(address) . tcp . 80 }\n")
        #expect(try now().outcomes.map(\.outcome) == [.refused])
        try compare(now(), clients[0], "a missing service")

        try lab.node.nft("insert rule ip svcctl filter_forward ip saddr 192.0.2.100 counter drop\n")
        #expect(try now().outcomes.map(\.outcome) == [.dropped])
        try compare(now(), clients[0], "a foreign rule")

        // A rule that cannot be followed is said to be one.
        try lab.node.nft("insert rule ip svcctl filter_forward meta length 1-2000 accept\n")
        #expect(try now().notes.contains { $0.contains("cannot be followed") })
    }

    @Test func nothingThere() throws {
        let namespace = try NetworkNamespace("empty")
        #expect(try actual(Desired(services: []), namespace)?.tables.isEmpty == nil)
    }
}
