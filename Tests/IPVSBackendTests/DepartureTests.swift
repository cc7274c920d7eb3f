import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPVSBackend
import Links
import NetAddress
import ServiceModel
import Testing

extension WithKernel.DrainTests {
    /// A service with policy Local whose only endpoint is on another node, so that the node's own clients are told by marks.
    static let local = Service.test("web", nodePort: 30080, endpoints: ["10.244.1.2"]) {
        $0.externalIPs = ["203.0.113.7"]
        $0.loadBalancerIPs = ["203.0.113.8"]
        $0.externalTrafficPolicy = .local
        $0.endpoints[0].nodeName = "node-b"
    }

    static func addresses(of lab: Lab) throws -> String {
        try lab.node.tool(["ip", "-4", "-o", "address", "show", "dev", "svcctl0"])
    }

    /// One address goes and others stay: connections of the node's own go on at all of them, and with the last one to the
    /// address that went goes the address.
    @Test func oneOfSeveralAddressesLeaves() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        var less = Self.local
        less.externalIPs = []
        let rest = Desired(services: [less], node: Self.node)
        try Desired(services: [Self.local], node: Self.node).observing(in: lab.node) { [less] reconciliation in
            for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
            _ = try reconciliation.apply()
            let places: [(IPAddress, UInt16)] = [
                ("203.0.113.7", 80), ("203.0.113.8", 80), (Lab.nodeAddresses.ipv4, 30080),
            ]
            let connections = try places.map { try LongConnection(from: lab.node, to: $0.0, port: $0.1) }
            #expect(connections.allSatisfy { $0.greeting.server == "pod1" })
            _ = try Self.replace(Self.local, less, &reconciliation)
            #expect(reconciliation.backend.attentionPeriod == .seconds(1))
            for (connection, place) in zip(connections, places) {
                let answer = try? connection.exchange("still here")
                #expect(answer == "still here", "\(place)")
            }
            #expect(Client.probe(from: lab.node, to: "203.0.113.7", port: 80) == .refused)
            #expect(Client.probe(from: lab.node, to: "203.0.113.8", port: 80).server == "pod1")
            #expect(try rest.differences(in: lab.node) == [])

            // A process that starts anew knows of it, and waits for those that went alone.
            try rest.observing(in: lab.node) { other in
                let changes = try other.apply()
                #expect(changes.isEmpty && other.backend.attentionPeriod == .seconds(1))
                try lab.node.tool(["ipvsadm", "--set", "1", "1", "0"])
                let first = try #require(connections.first)
                _ = try? first.exchange("the last one")
                try Self.waitForEnd(&other)
            }
            #expect(try !Self.addresses(of: lab).contains("203.0.113.7"))
            #expect(try rest.differences(in: lab.node) == [])
            withExtendedLifetime(connections) {}
        }
    }
}
