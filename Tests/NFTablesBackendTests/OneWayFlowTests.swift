import DataplaneConformance
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import Testing

/// One-way UDP, such as syslog's: to connection tracking each of its packets is of state new, since none is answered.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct OneWayFlowTests {
    private static func service(_ firstPod: EndpointConditions) -> Service {
        var service = TrafficTests.everyKind(.udp, pods: 2)
        service.clientIPAffinitySeconds = 600
        for index in service.endpoints.indices {
            let isFirst =
                service.endpoints[index].address == Lab.podAddresses(1)[service.endpoints[index].address.family]
            service.endpoints[index].conditions = isFirst ? firstPod : firstPod == .all ? [] : .all
        }
        return service
    }

    /// A flow to an endpoint that still serves but gets no new clients goes on: what stops connections that went by an
    /// outdated memory concerns their first packets alone (semantics 37, 40 and 41).
    @Test(arguments: IPFamily.allCases) func goesOn(_ family: IPFamily) throws {
        let lab = try Lab(pods: 2)
        try Desired(services: [Self.service(.all)]).applyAndEndFlows(in: lab.node)
        let flows = try TrafficTests.Kind.allCases.map { kind in
            let (address, port) = TrafficTests.target(.init(kind: kind, family: family, transport: .udp))
            return try UDPFlow(from: lab.client, to: address, port: port)
        }
        // An error is no answer to connection tracking, and tells that the datagram reached the pod.
        for flow in flows { #expect(flow.probe() == .refused) }
        let servers = try lab.startServers(transport: .udp, families: [family])
        defer { for server in servers { server.stop() } }
        let terminating: EndpointConditions = [.isServing, .isTerminating]
        #expect(try Desired(services: [Self.service(terminating)]).applyAndEndFlows(in: lab.node) == 0)
        for flow in flows { #expect(flow.probe().server == "pod1") }
        let (address, port) = TrafficTests.target(.init(kind: .clusterIP, family: family, transport: .udp))
        let fresh = try UDPFlow(from: lab.client, to: address, port: port)
        #expect(fresh.probe().server == "pod2", "new flows go to who is ready")
    }
}

extension EndpointConditions {
    /// Ready and serving.
    fileprivate static let all: EndpointConditions = [.isReady, .isServing]
}
