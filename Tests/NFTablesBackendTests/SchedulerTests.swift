import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// How connections are spread, on real connections.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct SchedulerTests {
    private static func service(
        _ scheduler: Scheduler, _ transport: TransportProtocol = .tcp, _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        var service = TrafficTests.everyKind(transport)
        service.scheduler = scheduler
        change(&service)
        return service
    }

    private static func target(_ kind: TrafficTests.Kind, _ family: IPFamily) -> (address: IPAddress, port: UInt16) {
        TrafficTests.target(.init(kind: kind, family: family, transport: .tcp))
    }

    /// Turns are exact, whatever address of the service is used, and whoever else is served in between.
    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func turnsAreExact(_ family: IPFamily, _ transport: TransportProtocol) throws {
        let lab = try Lab()
        let servers = try lab.startServers(transport: transport, families: [family])
        defer { for server in servers { server.stop() } }
        let other = Self.service(.roundRobin, transport) {
            $0.name = ServiceName(namespace: "test", name: "other")
            $0.clusterIPs = ["10.96.9.9", "fd00:96::9:9"]
            $0.externalIPs = []
            $0.loadBalancerIPs = []
            $0.ports[0].nodePort = nil
        }
        try Desired(services: [Self.service(.roundRobin, transport), other]).apply(in: lab.node)
        let otherAddress: IPAddress = family == .ipv4 ? "10.96.9.9" : "fd00:96::9:9"
        var (turns, otherTurns): ([String?], [String?]) = ([], [])
        for _ in 0..<3 {
            for kind in TrafficTests.Kind.allCases {
                let (address, port) = Self.target(kind, family)
                turns.append(Client.probe(from: lab.client, to: address, port: port, transport: transport).server)
                otherTurns.append(
                    Client.probe(from: lab.client, to: otherAddress, port: 80, transport: transport).server)
            }
        }
        for found in [turns, otherTurns] {
            #expect(Set(found.prefix(3)) == ["pod1", "pod2", "pod3"])
            for index in 3..<found.count { #expect(found[index] == found[index - 3]) }
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

    /// Weights are shares of the turns, spread evenly among them.
    @Test func turnsHaveWeights() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let weighted = Self.service(.roundRobin) { service in
            for index in service.endpoints.indices { service.endpoints[index].weight = [3, 1, 0][index / 2] }
        }
        try Desired(services: [weighted]).apply(in: lab.node)
        let tally = try Client.tally(40, from: lab.client, to: TrafficTests.clusterIPs.ipv4, port: 80)
        #expect(tally.answers == ["pod1": 30, "pod2": 10])
        #expect(tally.failures.isEmpty)
    }

    /// A change of another service does not disturb the turns, and an endpoint that is replaced takes the other's place.
    @Test func turnsGoOnOverChanges() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let address = TrafficTests.clusterIPs.ipv4
        func next() -> String? { Client.probe(from: lab.client, to: address, port: 80).server }
        try Desired(services: [Self.service(.roundRobin)]).apply(in: lab.node)
        let (first, second) = (next(), next())
        let other = Service.test("other", clusterIPs: ["10.96.9.9"], endpoints: [Lab.podAddresses(1).ipv4])
        try Desired(services: [Self.service(.roundRobin), other]).apply(in: lab.node)
        #expect(![first, second].contains(next()))
        let two = Self.service(.roundRobin) { $0.endpoints.removeLast(2) }
        try Desired(services: [two]).apply(in: lab.node)
        let tally = try Client.tally(10, from: lab.client, to: address, port: 80)
        #expect(tally.answers == ["pod1": 5, "pod2": 5])
        try Desired(services: [Self.service(.random)]).apply(in: lab.node)
        #expect(try !lab.node.tool(["nft", "list", "ruleset"]).contains("chain turns_"))
    }

    /// A client's address alone decides, on every address of the service; clients are spread by weight.
    @Test(arguments: IPFamily.allCases, [Scheduler.sourceHash, .maglev])
    func sourcesDecide(_ family: IPFamily, _ scheduler: Scheduler) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        let weighted = Self.service(scheduler) { service in
            for index in service.endpoints.indices { service.endpoints[index].weight = [2, 1, 0][index / 2] }
        }
        try Desired(services: [weighted]).apply(in: lab.node)
        let sources = try lab.addClientAddresses(90, family)
        var counts: [String: Int] = [:]
        for (index, source) in sources.enumerated() {
            let kinds = index < 10 ? TrafficTests.Kind.allCases : [.clusterIP]
            let found = kinds.map { kind -> String? in
                let (address, port) = Self.target(kind, family)
                return Client.probe(from: lab.client, to: address, port: port, source: source).server
            }
            #expect(Set(found).count == 1)
            if let server = found.first ?? nil { counts[server, default: 0] += 1 }
        }
        // 60 and 30 are expected; 5 standard deviations are 22.
        #expect(counts["pod3"] == nil)
        #expect((38...82).contains(counts["pod1"] ?? 0), "\(counts)")
        #expect(counts["pod1", default: 0] + counts["pod2", default: 0] == 90)
    }

    /// With maglev, who has another endpoint keeps it when one goes.
    @Test func maglevIsConsistent() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let sources = try lab.addClientAddresses(90, .ipv4)
        func answers(_ service: Service) throws -> [String?] {
            try Desired(services: [service]).apply(in: lab.node)
            return sources.map {
                Client.probe(from: lab.client, to: TrafficTests.clusterIPs.ipv4, port: 80, source: $0).server
            }
        }
        let before = try answers(Self.service(.maglev))
        let after = try answers(Self.service(.maglev) { $0.endpoints.removeLast(2) })
        let others = zip(before, after).filter { $0.0 != "pod3" }
        #expect(Set(before) == ["pod1", "pod2", "pod3"])
        #expect(others.count { $0.0 != $0.1 } <= others.count / 10)
    }

    /// The default draws anew for each connection: its shares are tested statistically.
    @Test(arguments: IPFamily.allCases) func randomIsEven(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.service(.random)]).apply(in: lab.node)
        let tally = try Client.tally(300, from: lab.client, to: TrafficTests.clusterIPs[family], port: 80)
        // 100 each are expected; 5 standard deviations are 41.
        for pod in ["pod1", "pod2", "pod3"] { #expect((59...141).contains(tally.answers[pod] ?? 0)) }
        #expect(tally.failures.isEmpty)
    }

    /// Under policy Local outsiders take turns among this node's endpoints, the node's own clients among all.
    @Test(arguments: IPFamily.allCases, [Scheduler.roundRobin, .sourceHash, .maglev])
    func policyLocal(_ family: IPFamily, _ scheduler: Scheduler) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        let local = Self.service(scheduler) {
            $0.externalTrafficPolicy = .local
            for index in $0.endpoints.indices { $0.endpoints[index].nodeName = index / 2 < 2 ? "node-a" : "node-b" }
        }
        try Desired(services: [local]).apply(in: lab.node)
        let sources = try lab.addClientAddresses(30, family)
        for kind in TrafficTests.Kind.allCases where kind != .clusterIP {
            let (address, port) = Self.target(kind, family)
            let outside = Set(
                sources.map { Client.probe(from: lab.client, to: address, port: port, source: $0).server })
            #expect(outside == ["pod1", "pod2"], "\(kind)")
            let inside = try Client.tally(6, from: lab.node, to: address, port: port)
            #expect(inside.failures.isEmpty)
            if scheduler == .roundRobin { #expect(inside.servers == ["pod1", "pod2", "pod3"]) }
        }
    }
}
