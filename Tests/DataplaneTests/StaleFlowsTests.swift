import Dataplane
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Which UDP flows must go. Numbers are those of the semantics.
@Suite struct StaleFlowsTests {
    static func ip(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(ipv4: 0) }
    static func at(_ address: String, _ port: UInt16) -> SocketEndpoint {
        SocketEndpoint(address: ip(address), port: port)
    }

    static let clusterIP = UDPFrontend(address: ip("10.96.0.10"), port: 53)
    static let clusterAddress = at("10.96.0.10", 53)
    static let nodePort = UDPFrontend(nodePort: 30053, family: .ipv4)
    static let node: Set<IPAddress> = [ip("192.168.0.1"), ip("fe80::1"), ip("127.0.0.1")]
    static let (a, b, c) = (at("10.244.1.1", 5353), at("10.244.2.1", 5353), at("10.244.3.1", 5353))
    static let aOnOtherPort = at("10.244.1.1", 53)

    /// A change of one cluster IP's endpoints, and which flows to it must go.
    struct Transition: Sendable, CustomTestStringConvertible {
        var name: String
        /// Nil where there was or is no such frontend.
        var old: Set<SocketEndpoint>?
        var new: Set<SocketEndpoint>?
        /// Where flows lead that must go, and that must stay; the cluster IP itself stands for untranslated ones.
        var stale: [SocketEndpoint]
        var kept: [SocketEndpoint] = []
        var testDescription: String { name }

        static let all = [
            Transition(
                name: "0 to N (42): untranslated ones go", old: [], new: [a], stale: [clusterAddress], kept: [a]),
            Transition(name: "a new service (43)", old: nil, new: [a], stale: [clusterAddress, b], kept: [a]),
            Transition(name: "a new service without endpoints", old: nil, new: [], stale: [clusterAddress, a]),
            Transition(name: "N to M (42)", old: [a, b], new: [b, c], stale: [a, clusterAddress], kept: [b, c]),
            Transition(name: "all replaced (42)", old: [a], new: [b], stale: [a, clusterAddress], kept: [b]),
            Transition(name: "N to 0 (42)", old: [a, b], new: [], stale: [a, b, clusterAddress]),
            Transition(name: "deleted (42)", old: [a], new: nil, stale: [a, clusterAddress]),
            Transition(name: "deleted without endpoints", old: [], new: nil, stale: [clusterAddress]),
            Transition(
                name: "target port changed (42)", old: [a], new: [aOnOtherPort], stale: [a, clusterAddress],
                kept: [aOnOtherPort]),
            Transition(
                name: "one more: nobody looks", old: [a], new: [a, b], stale: [], kept: [a, b, clusterAddress]),
            Transition(name: "the same: nobody looks", old: [a], new: [a], stale: [], kept: [a, b, clusterAddress]),
            Transition(name: "still none: nobody looks", old: [], new: [], stale: [], kept: [a, clusterAddress]),
        ]
    }

    @Test(arguments: Transition.all) func transitionsOfAClusterIP(_ test: Transition) {
        let flows = StaleFlows(
            from: test.old.map { [Self.clusterIP: $0] } ?? [:], to: test.new.map { [Self.clusterIP: $0] } ?? [:],
            nodeAddresses: Self.node)
        #expect(flows.isEmpty == test.stale.isEmpty)
        #expect(flows.families == (test.stale.isEmpty ? [] : [.ipv4]))
        for source in test.stale {
            #expect(flows.isStale(destination: Self.clusterAddress, replySource: source), "\(source)")
        }
        for source in test.kept {
            #expect(!flows.isStale(destination: Self.clusterAddress, replySource: source), "\(source)")
        }
        // Another port, another address and another family are somebody else's.
        for destination in [Self.at("10.96.0.10", 54), Self.at("10.96.0.11", 53), Self.at("::ffff:10.96.0.10", 53)] {
            #expect(!flows.isStale(destination: destination, replySource: Self.a))
        }
    }

    /// The same transitions of a node port, on any address (42).
    @Test(arguments: Transition.all) func transitionsOfANodePort(_ test: Transition) {
        let flows = StaleFlows(
            from: test.old.map { [Self.nodePort: $0] } ?? [:], to: test.new.map { [Self.nodePort: $0] } ?? [:],
            nodeAddresses: Self.node)
        for address in ["192.168.0.1", "192.168.0.99"] {
            let destination = Self.at(address, 30053)
            for source in test.stale where source != Self.clusterAddress {
                #expect(flows.isStale(destination: destination, replySource: source), "\(source)")
            }
            for source in test.kept where source != Self.clusterAddress {
                #expect(!flows.isStale(destination: destination, replySource: source), "\(source)")
            }
            // Untranslated flows are ours on the node's own addresses.
            let isStale = test.stale.contains(Self.clusterAddress) && address == "192.168.0.1"
            #expect(flows.isStale(destination: destination, replySource: destination) == isStale)
        }
    }

    /// Semantics 44: after a restart everything is looked at, and what still answers stays.
    @Test func afterARestartOnlyDeadEndpointsGo() {
        let flows = StaleFlows(from: [:], to: [Self.clusterIP: [Self.a, Self.b]], nodeAddresses: nil)
        #expect(!flows.isStale(destination: Self.clusterAddress, replySource: Self.a))
        #expect(!flows.isStale(destination: Self.clusterAddress, replySource: Self.b))
        #expect(flows.isStale(destination: Self.clusterAddress, replySource: Self.c))
        #expect(!flows.isStale(destination: Self.at("8.8.8.8", 53), replySource: Self.at("8.8.8.8", 53)))
    }

    /// A server far away on the number of a node port is a stranger: its flows are forwarded as they are.
    @Test func strangersOnTheNumberOfANodePortStay() {
        let remote = Self.at("203.0.113.7", 30053)
        let local = Self.at("192.168.0.1", 30053)
        let known = StaleFlows(changed: [Self.nodePort: []], nodeAddresses: Self.node)
        #expect(!known.isStale(destination: remote, replySource: remote))
        #expect(known.isStale(destination: local, replySource: local))
        let unknown = StaleFlows(changed: [Self.nodePort: []], nodeAddresses: nil)
        #expect(!unknown.isStale(destination: remote, replySource: remote))
        #expect(!unknown.isStale(destination: local, replySource: local))
        #expect(unknown.isStale(destination: local, replySource: Self.a))
        // The node's own servers on loopback addresses: node ports are not served there (6).
        let loopback = Self.at("127.0.0.1", 30053)
        #expect(!known.isStale(destination: loopback, replySource: loopback))
        // The other family's node port is another one.
        #expect(!known.isStale(destination: Self.at("fe80::1", 30053), replySource: Self.at("fd00::1", 53)))
    }

    /// An address frontend is asked first, also where it is on a node's address and has a node port's number.
    @Test func addressesComeBeforeNodePorts() {
        let external = UDPFrontend(address: Self.ip("192.168.0.1"), port: 30053)
        let destination = Self.at("192.168.0.1", 30053)
        let both = StaleFlows(changed: [Self.nodePort: [Self.a], external: [Self.b]], nodeAddresses: Self.node)
        #expect(both.isStale(destination: destination, replySource: Self.a))
        #expect(!both.isStale(destination: destination, replySource: Self.b))
        let one = StaleFlows(
            from: [Self.nodePort: [Self.a], external: [Self.b]], to: [Self.nodePort: [Self.c], external: [Self.b]],
            nodeAddresses: Self.node)
        #expect(!one.isStale(destination: destination, replySource: Self.b))
        #expect(!one.isStale(destination: destination, replySource: Self.a), "nobody but its own change judges it")
        #expect(one.isStale(destination: Self.at("192.168.0.2", 30053), replySource: Self.a))
    }

    /// An endpoint in the host's network may have the very address and port of its frontend.
    @Test func anEndpointAtTheFrontendsOwnAddressStays() {
        let destination = Self.at("192.168.0.1", 53)
        let external = UDPFrontend(address: destination.address, port: 53)
        let flows = StaleFlows(changed: [external: [destination]], nodeAddresses: Self.node)
        #expect(!flows.isStale(destination: destination, replySource: destination))
        #expect(flows.isStale(destination: destination, replySource: Self.a))
    }

    /// Semantics 40: only UDP frontends are looked at; 41: with all endpoints that serve.
    @Test func plansGiveTheirUDPFrontends() {
        var service = Service(name: ServiceName(namespace: "kube-system", name: "dns"))
        service.clusterIPs = [Self.ip("10.96.0.10"), Self.ip("fd00:96::10")]
        service.ports = [
            ServicePort(name: "dns", transport: .udp, port: 53, target: .number(5353), nodePort: 30053),
            ServicePort(name: "dns-tcp", port: 53, target: .number(5353), nodePort: 30053),
        ]
        service.endpoints = ["10.244.1.1", "10.244.2.1"].map { Endpoint(address: Self.ip($0)) }
        service.endpoints[1].conditions = [.isServing, .isTerminating]
        let frontends = ServicePlans([service], node: NodeFacts()).udpFrontends
        #expect(
            frontends == [
                Self.clusterIP: [Self.a, Self.b], Self.nodePort: [Self.a, Self.b],
                UDPFrontend(address: Self.ip("fd00:96::10"), port: 53): [],
                UDPFrontend(nodePort: 30053, family: .ipv6): [],
            ])
    }
}
