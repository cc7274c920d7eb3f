import Dataplane
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// A UDP client that keeps its source port is one flow to connection tracking, and must not be kept by an endpoint that is
/// gone (semantics 40 to 45).
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct UDPFlowTests {
    private static func service(_ pods: [Int], _ change: (inout Service) -> Void = { _ in }) -> Service {
        var service = TrafficTests.everyKind(.udp, pods: 0)
        service.endpoints = pods.flatMap { pod in
            IPFamily.allCases.map { Endpoint(address: Lab.podAddresses(pod)[$0]) }
        }
        change(&service)
        return service
    }

    private static func target(_ kind: TrafficTests.Kind, _ family: IPFamily) -> (address: IPAddress, port: UInt16) {
        TrafficTests.target(.init(kind: kind, family: family, transport: .udp))
    }

    /// A flow to each kind of address.
    private static func flows(_ lab: Lab, _ family: IPFamily) throws -> [UDPFlow] {
        try TrafficTests.Kind.allCases.map { kind in
            let (address, port) = target(kind, family)
            return try UDPFlow(from: lab.client, to: address, port: port)
        }
    }

    /// Semantics 42: the endpoint is replaced by another one.
    @Test(arguments: IPFamily.allCases) func replacement(_ family: IPFamily) throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(transport: .udp, families: [family])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.service([1])]).applyAndEndFlows(in: lab.node)
        let flows = try Self.flows(lab, family)
        for flow in flows { #expect(flow.probe().server == "pod1") }
        #expect(try Desired(services: [Self.service([2])]).applyAndEndFlows(in: lab.node) == flows.count)
        for flow in flows { #expect(flow.probe().server == "pod2") }
        // Nothing is left to end, and nothing more is ended (semantics 44).
        #expect(try Desired(services: [Self.service([2])]).applyAndEndFlows(in: lab.node) == 0)
    }

    /// An endpoint that comes or goes does not move the flows of others.
    @Test func othersStay() throws {
        let lab = try Lab(pods: 3)
        let servers = try lab.startServers(transport: .udp, families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.service([1, 2])]).applyAndEndFlows(in: lab.node)
        let address = TrafficTests.clusterIPs.ipv4
        let flows = try (0..<12).map { _ in try UDPFlow(from: lab.client, to: address, port: 80) }
        let before = flows.map { $0.probe().server }
        #expect(try Desired(services: [Self.service([1, 2, 3])]).applyAndEndFlows(in: lab.node) == 0)
        #expect(flows.map { $0.probe().server } == before)
        try Desired(services: [Self.service([2, 3])]).applyAndEndFlows(in: lab.node)
        for (flow, pod) in zip(flows, before) {
            let now = flow.probe().server
            #expect(
                pod == "pod2" ? now == "pod2" : now == "pod2" || now == "pod3",
                "\(String(describing: pod)) → \(String(describing: now))")
        }
    }

    /// Semantics 42: the last endpoint goes, or the service does.
    @Test(arguments: IPFamily.allCases) func lastEndpoint(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(transport: .udp, families: [family])
        defer { for server in servers { server.stop() } }
        let flows = try Self.flows(lab, family)
        try Desired(services: [Self.service([1])]).applyAndEndFlows(in: lab.node)
        for flow in flows { #expect(flow.probe().server == "pod1") }
        #expect(try Desired(services: [Self.service([])]).applyAndEndFlows(in: lab.node) == flows.count)
        for flow in flows { #expect(flow.probe() == .refused) }
        try Desired(services: [Self.service([1])]).applyAndEndFlows(in: lab.node)
        for flow in flows { #expect(flow.probe().server == "pod1") }
        #expect(try Desired(services: []).applyAndEndFlows(in: lab.node) == flows.count)
        for flow in flows { #expect(flow.probe(timeout: .milliseconds(150)).server == nil) }
    }

    /// Semantics 43: a flow that is older than the rules was not translated, and begins anew.
    @Test(arguments: IPFamily.allCases) func firstEndpoint(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(transport: .udp, families: [family])
        defer { for server in servers { server.stop() } }
        // Something must track connections before there are rules of ours.
        try lab.node.nft(
            "table inet tracker { chain c { type filter hook prerouting priority 0; ct state new counter; }; }\n")
        let flows = try Self.flows(lab, family)
        for flow in flows { #expect(flow.probe(timeout: .milliseconds(100)).server == nil) }
        try Desired(services: [Self.service([1])]).applyAndEndFlows(in: lab.node)
        for flow in flows { #expect(flow.probe().server == "pod1") }
    }

    /// Semantics 42: the endpoint stays, and its port is another.
    @Test(arguments: IPFamily.allCases) func targetPort(_ family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let old = try lab.startServers(transport: .udp, families: [family])
        let new = try lab.startServers(port: 9090, transport: .udp, families: [family])
        defer { for server in old + new { server.stop() } }
        try Desired(services: [Self.service([1])]).applyAndEndFlows(in: lab.node)
        let flows = try Self.flows(lab, family)
        for flow in flows { #expect(flow.probe().server == "pod1") }
        for server in old { server.stop() }
        try Desired(services: [Self.service([1]) { $0.ports[0].target = .number(9090) }]).applyAndEndFlows(in: lab.node)
        for flow in flows { #expect(flow.probe().server == "pod1") }
    }

    /// Semantics 41: an endpoint that gets no new flows but still serves keeps those it has, until it is gone. That is
    /// noticed although no rule changes.
    @Test func servingEndpointsKeepTheirFlows() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(transport: .udp, families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.service([1])]).applyAndEndFlows(in: lab.node)
        let flow = try UDPFlow(from: lab.client, to: TrafficTests.clusterIPs.ipv4, port: 80)
        #expect(flow.probe().server == "pod1")
        let leaving = Self.service([1, 2]) {
            for index in 0..<2 { $0.endpoints[index].conditions = [.isServing, .isTerminating] }
        }
        try Desired(services: [leaving]).applyAndEndFlows(in: lab.node)
        #expect(flow.probe().server == "pod1")
        #expect(
            Client.probe(from: lab.client, to: TrafficTests.clusterIPs.ipv4, port: 80, transport: .udp).server == "pod2"
        )
        try Desired(services: [Self.service([2])]).applyAndEndFlows(in: lab.node)
        #expect(flow.probe().server == "pod2")
    }

    /// Semantics 40: TCP goes on until it ends, and flows of strangers to the number of a node port are left alone.
    @Test func otherFlowsAreLeftAlone() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(mode: .keepOpen)
        let stranger = try EchoServer(
            in: lab.pods[1].namespace, address: Lab.podAddresses(2).ipv4, port: 30080, transport: .udp, name: "stranger"
        )
        defer {
            for server in servers { server.stop() }
            stranger.stop()
        }
        var tcp = TrafficTests.everyKind(.tcp, pods: 1)
        tcp.name = ServiceName(namespace: "test", name: "tcp")
        try Desired(services: [Self.service([1]), tcp]).applyAndEndFlows(in: lab.node)
        let connection = try LongConnection(from: lab.client, to: TrafficTests.clusterIPs.ipv4, port: 80)
        let flow = try UDPFlow(from: lab.client, to: Lab.podAddresses(2).ipv4, port: 30080)
        #expect(flow.probe().server == "stranger")
        tcp.endpoints = []
        #expect(try Desired(services: [Self.service([]), tcp]).applyAndEndFlows(in: lab.node) == 0)
        #expect(try connection.exchange("still") == "still")
        #expect(flow.probe().server == "stranger")
        let table = try lab.node.tool(["conntrack", "-L", "-p", "udp"])
        #expect(table.contains("dport=30080"))
    }
}
