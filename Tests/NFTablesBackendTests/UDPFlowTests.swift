import Dataplane
import DataplaneConformance
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// How many UDP flows are ended; whom clients get to in the end stands in the conformance suite.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct UDPFlowTests {
    /// Semantics 42 and 44: exactly the flows to the endpoint that went, and none the second time.
    @Test(arguments: IPFamily.allCases) func endsWhatIsStale(_ family: IPFamily) throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(transport: .udp, families: [family])
        defer { for server in servers { server.stop() } }
        func apply(_ pods: [Int]) throws -> Int {
            var service = TrafficTests.everyKind(.udp, pods: 0)
            service.endpoints = pods.flatMap { pod in
                IPFamily.allCases.map { Endpoint(address: Lab.podAddresses(pod)[$0]) }
            }
            return try Desired(services: [service]).applyAndEndFlows(in: lab.node)
        }
        #expect(try apply([1]) == 0)
        let flows = try TrafficTests.Kind.allCases.map { kind in
            let (address, port) = TrafficTests.target(.init(kind: kind, family: family, transport: .udp))
            return try UDPFlow(from: lab.client, to: address, port: port)
        }
        #expect(UDPFlow.probe(flows).allSatisfy { $0.server == "pod1" })
        #expect(try apply([2]) == flows.count)
        #expect(UDPFlow.probe(flows).allSatisfy { $0.server == "pod2" })
        #expect(try apply([2]) == 0)
        #expect(try apply([2, 1]) == 0)
        #expect(try apply([]) == flows.count)
    }

    /// Whoever died between the rules and the flows leaves flows that no later change speaks of. A full look finds them,
    /// and nothing else.
    @Test func findsWhatWasLeftUndone() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(transport: .udp, families: [.ipv4])
        defer { for server in servers { server.stop() } }
        func desired(_ pod: Int) -> Desired {
            var service = TrafficTests.everyKind(.udp, pods: 0)
            service.endpoints = [Endpoint(address: Lab.podAddresses(pod).ipv4)]
            return Desired(services: [service])
        }
        try desired(1).apply(in: lab.node)
        let flows = try TrafficTests.Kind.allCases.map { kind in
            let (address, port) = TrafficTests.target(.init(kind: kind, family: .ipv4, transport: .udp))
            return try UDPFlow(from: lab.client, to: address, port: port)
        }
        #expect(UDPFlow.probe(flows).allSatisfy { $0.server == "pod1" })
        try desired(2).apply(in: lab.node)
        #expect(UDPFlow.probe(flows).allSatisfy { $0.server == "pod1" })
        func look() throws -> Int {
            let plans = ServicePlans(desired(2).services, node: desired(2).node)
            return try lab.node.run { try FlowCleanup.run(after: UDPChanges(areUnknown: true), plans) }
        }
        #expect(try look() == flows.count)
        #expect(UDPFlow.probe(flows).allSatisfy { $0.server == "pod2" })
        #expect(try look() == 0)
    }
}
