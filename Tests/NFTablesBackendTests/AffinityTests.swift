import Dataplane
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Session affinity by client IP, with real connections (semantics 36 to 38).
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct AffinityTests {
    private static func sticky(
        _ transport: TransportProtocol = .tcp, seconds: UInt32 = 10800, pods: Int = 3,
        _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        var service = TrafficTests.everyKind(transport, pods: pods)
        service.clientIPAffinitySeconds = seconds
        change(&service)
        return service
    }

    private static func target(_ kind: TrafficTests.Kind, _ family: IPFamily) -> (address: IPAddress, port: UInt16) {
        TrafficTests.target(.init(kind: kind, family: family, transport: .tcp))
    }

    /// The pod that a client stays with, over every kind of address; nil if it does not stay.
    private static func pod(
        of client: NetworkNamespace, _ family: IPFamily, _ transport: TransportProtocol = .tcp, source: IPAddress? = nil
    ) throws -> String? {
        var servers: Set<String> = []
        for kind in TrafficTests.Kind.allCases {
            let (address, port) = target(kind, family)
            let tally = try Client.tally(6, from: client, to: address, port: port, transport: transport, source: source)
            #expect(tally.failures.isEmpty, "\(kind)")
            servers.formUnion(tally.servers)
        }
        return servers.count == 1 ? servers.first : nil
    }

    /// Semantics 36: one memory for all addresses of a service port. Clients are spread, and each stays.
    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func clientsStay(_ family: IPFamily, _ transport: TransportProtocol) throws {
        let lab = try Lab()
        let servers = try lab.startServers(transport: transport, families: [family])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.sticky(transport)]).apply(in: lab.node)
        // Twenty clients on one host: all with the same pod would come once in 3^19 runs.
        let sources = try lab.addClientAddresses(20, family)
        let pods = try sources.map { try Self.pod(of: lab.client, family, transport, source: $0) }
        #expect(!pods.contains(nil))
        #expect(Set(pods).count > 1)
        #expect(try Self.pod(of: lab.node, family, transport) != nil, "the node's own processes are clients too")
        #expect(try Self.pod(of: lab.pods[0].namespace, family, transport) != nil)
    }

    /// An endpoint that leaves takes its clients' memory along; all others stay where they are (semantics 37). The other
    /// service's clients are not touched either.
    @Test(arguments: IPFamily.allCases) func departure(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        let other = Service.test(
            "other", clusterIPs: ["10.96.9.9", "fd00:96::9:9"],
            endpoints: (1...3).flatMap { [Lab.podAddresses($0).ipv4, Lab.podAddresses($0).ipv6] }
        ) { $0.clientIPAffinitySeconds = 60 }
        try Desired(services: [Self.sticky(), other]).apply(in: lab.node)
        let sources = try lab.addClientAddresses(12, family)
        let before = try sources.map { try Self.pod(of: lab.client, family, source: $0) }
        let otherAddress: IPAddress = family == .ipv4 ? "10.96.9.9" : "fd00:96::9:9"
        let others = sources.map { Client.probe(from: lab.client, to: otherAddress, port: 80, source: $0).server }
        try Desired(services: [Self.sticky(pods: 2), other]).apply(in: lab.node)
        for (source, pod) in zip(sources, before) {
            let now = try Self.pod(of: lab.client, family, source: source)
            #expect(now == "pod1" || now == "pod2")
            if pod != "pod3" { #expect(now == pod) }
        }
        for (source, pod) in zip(sources, others) {
            #expect(Client.probe(from: lab.client, to: otherAddress, port: 80, source: source).server == pod)
        }
    }

    /// What a client was remembered for before anybody could forget it is caught: its next attempts find another
    /// endpoint, and never the one that is gone (semantics 37).
    @Test func whatSlipsThroughIsCaught() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.sticky(pods: 2)]).apply(in: lab.node)
        let address = TrafficTests.clusterIPs.ipv4
        let pod = try #require(Client.probe(from: lab.client, to: address, port: 80).server)
        // As if it had been learnt between our look and our transaction: the memory is there, the endpoint is not.
        let remaining = pod == "pod1" ? 2 : 1
        let memory = try lab.node.tool(["nft", "list", "map", "ip", "svcctl", "affinity"])
        let entry = try #require(memory.split(separator: "\n").first { $0.contains("192.0.2.100 . ") })
        let number = try #require(entry.split(separator: " ").first { $0.hasPrefix("24") || $0.hasPrefix("25") })
        let gone = Lab.podAddresses(pod == "pod1" ? 1 : 2).ipv4
        let service = Self.sticky(pods: 2) { $0.endpoints.removeAll { $0.address == gone } }
        try Desired(services: [service]).apply(in: lab.node)
        #expect(try !lab.node.tool(["nft", "list", "map", "ip", "svcctl", "affinity"]).contains("192.0.2.100"))
        try lab.node.tool([
            "nft", "add", "element", "ip", "svcctl", "affinity",
            "{ 192.0.2.100 . \(number) . tcp timeout 1h : \(gone) . 8080 }",
        ])
        let first = Client.probe(from: lab.client, to: address, port: 80, timeout: .milliseconds(300))
        #expect(first == .timedOut)
        #expect(Client.probe(from: lab.client, to: address, port: 80).server == "pod\(remaining)")
    }

    /// The timeout slides with each new connection, and ends.
    @Test func memoryEnds() throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.sticky(seconds: 2)]).apply(in: lab.node)
        let address = TrafficTests.clusterIPs.ipv4
        let first = Client.probe(from: lab.client, to: address, port: 80).server
        let clock = ContinuousClock()
        let start = clock.now
        // Longer in all than the timeout, but never that long between two connections.
        while clock.now - start < .seconds(3) {
            #expect(Client.probe(from: lab.client, to: address, port: 80).server == first)
            try lab.node.tool(["sleep", "0.2"])
        }
        try lab.node.tool(["sleep", "2.5"])
        let memory = try lab.node.tool(["nft", "list", "map", "ip", "svcctl", "affinity"])
        #expect(!memory.contains("192.0.2.100"))
    }

    /// Unrelated changes, other timeouts and a new process keep what is remembered; switching it off forgets it.
    @Test(arguments: IPFamily.allCases) func memoryOutlivesChanges(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.sticky()]).apply(in: lab.node)
        let sources = try lab.addClientAddresses(8, family)
        func pods() throws -> [String?] { try sources.map { try Self.pod(of: lab.client, family, source: $0) } }
        let before = try pods()
        #expect(try Desired(services: [Self.sticky()]).apply(in: lab.node).isEmpty)
        let other = Service.test("other", clusterIPs: ["10.96.9.9"], endpoints: [Lab.podAddresses(1).ipv4])
        try Desired(services: [Self.sticky(), other]).apply(in: lab.node)
        #expect(try pods() == before)
        try Desired(services: [Self.sticky(seconds: 7200)]).apply(in: lab.node)
        #expect(try pods() == before)

        let off = Self.sticky { $0.clientIPAffinitySeconds = nil }
        try Desired(services: [off]).apply(in: lab.node)
        let (address, port) = Self.target(.clusterIP, family)
        #expect(try Client.tally(40, from: lab.client, to: address, port: port).servers.count == 3)
        #expect(try !lab.node.tool(["nft", "list", "ruleset"]).contains("chain learn"))
        try Desired(services: [Self.sticky()]).apply(in: lab.node)
        #expect(try Self.pod(of: lab.client, family) != nil)
    }

    /// Under policy Local a client that is remembered for an endpoint elsewhere gets one of this node's (semantics 37);
    /// pods and the node itself go on with all of them.
    @Test(arguments: IPFamily.allCases) func policyLocal(_ family: IPFamily) throws {
        let lab = try Lab()
        let servers = try lab.startServers(families: [family])
        defer { for server in servers { server.stop() } }
        let service = Self.sticky {
            $0.externalTrafficPolicy = .local
            for index in $0.endpoints.indices { $0.endpoints[index].nodeName = index / 2 < 2 ? "node-a" : "node-b" }
        }
        try Desired(services: [service]).apply(in: lab.node)
        let (clusterIP, port) = Self.target(.clusterIP, family)
        let externals = TrafficTests.Kind.allCases.filter { $0 != .clusterIP }.map { Self.target($0, family) }
        for source in try lab.addClientAddresses(12, family) {
            func server(_ address: IPAddress, _ port: UInt16) -> String? {
                Client.probe(from: lab.client, to: address, port: port, source: source).server
            }
            let first = server(clusterIP, port)
            let outside = Set(externals.map { server($0.address, $0.port) })
            #expect(outside.count == 1)
            #expect(outside.first == "pod1" || outside.first == "pod2")
            if first != "pod3" { #expect(outside.first == first) }
            #expect(server(clusterIP, port) == first)
        }
        let fromNode = Set(
            (externals + [(clusterIP, port)]).map {
                Client.probe(from: lab.node, to: $0.address, port: $0.port).server
            })
        #expect(fromNode.count == 1)
        // Now none is here: the node's own clients keep theirs, others are dropped.
        var elsewhere = Desired(services: [service])
        elsewhere.node.nodeName = "node-c"
        try elsewhere.apply(in: lab.node)
        let (address, externalPort) = externals[0]
        #expect(Client.probe(from: lab.node, to: address, port: externalPort).server == fromNode.first)
        let dropped = Client.probe(from: lab.client, to: address, port: externalPort, timeout: .milliseconds(150))
        #expect(dropped == .timedOut)
    }

    /// A weight of 0 drains: who is remembered may come back, others go elsewhere; who is connected stays so.
    @Test(arguments: IPFamily.allCases) func draining(_ family: IPFamily) throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [family], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.sticky(pods: 2)]).apply(in: lab.node)
        let sources = try lab.addClientAddresses(16, family)
        let before = try sources.prefix(8).map { try Self.pod(of: lab.client, family, source: $0) }
        let (address, port) = Self.target(.clusterIP, family)
        let connections = try sources.prefix(8).map {
            try LongConnection(from: lab.client, to: address, port: port, source: $0)
        }
        func drained(_ pods: [Int]) -> Service {
            Self.sticky(pods: 2) { service in
                for index in service.endpoints.indices where pods.contains(1 + index / 2) {
                    service.endpoints[index].weight = 0
                }
            }
        }
        try Desired(services: [drained([1])]).apply(in: lab.node)
        #expect(try sources.prefix(8).map { try Self.pod(of: lab.client, family, source: $0) } == before)
        for source in sources[8..<12] { #expect(try Self.pod(of: lab.client, family, source: source) == "pod2") }
        // All of them drained: who is new is refused.
        try Desired(services: [drained([1, 2])]).apply(in: lab.node)
        #expect(try sources.prefix(8).map { try Self.pod(of: lab.client, family, source: $0) } == before)
        for source in sources[12...] {
            #expect(Client.probe(from: lab.client, to: address, port: port, source: source) == .refused)
        }
        for connection in connections { #expect(try connection.exchange("still here") == "still here") }
    }
}

extension Lab {
    /// Gives the client more addresses, as if it were as many hosts.
    func addClientAddresses(_ count: Int, _ family: IPFamily) throws -> [IPAddress] {
        let addresses = (1...count).map { number in
            family == .ipv4
                ? IPAddress(ipv4: 0xc000_0264 + UInt32(number))
                : IPAddress(ipv6: 0x2001_0db8_0000_0000, 0x100 + UInt64(number))
        }
        let length = family == .ipv4 ? 24 : 64
        try client.ip(
            addresses.map { "address add \($0)/\(length) dev eth0\(family == .ipv6 ? " nodad" : "")" })
        return addresses
    }
}
