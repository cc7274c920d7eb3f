import Dataplane
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
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
}
