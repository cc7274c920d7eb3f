import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPVSBackend
import Links
import NetAddress
import ServiceModel
import Testing

extension WithKernel.DrainTests {
    /// Another interface gets an address of a service: that is the node's then, with all of its ports, and nothing is kept
    /// there for the sake of connections to the service.
    @Test func anAddressThatTheNodeGetsIsLeftAtOnce() throws {
        let lab = try Lab(pods: 1)
        let servers =
            try lab.startServers(families: [.ipv4], mode: .keepOpen)
            + [EchoServer(in: lab.node, address: "0.0.0.0", port: 9999, name: "node")]
        defer { for server in servers { server.stop() } }
        let nothing = Desired(services: [], node: Self.node)
        var service = Self.local
        service.endpoints[0].nodeName = "node-a"
        try Desired(services: [service], node: Self.node).observing(in: lab.node) { [service] reconciliation in
            for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
            _ = try reconciliation.apply()
            let connections = try [lab.client, lab.node].map {
                try LongConnection(from: $0, to: "203.0.113.7", port: 80)
            }
            #expect(connections.allSatisfy { $0.greeting.server == "pod1" })
            #expect(Client.probe(from: lab.client, to: "203.0.113.7", port: 9999) == .refused)
            try lab.node.ip(["address add 203.0.113.7/32 dev lo"])
            _ = try Self.replace(service, nil, &reconciliation)
            #expect(try !Self.addresses(of: lab).contains("203.0.113.7"))
            #expect(try !Self.servers(in: lab.node).contains { $0.contains("203.0.113.7") })
            #expect(Client.probe(from: lab.client, to: "203.0.113.7", port: 9999).server == "node")
            #expect(try nothing.differences(in: lab.node) == [])

            // What is kept for the sake of connections alone goes with the next comparison.
            try lab.node.ip(["address delete 203.0.113.7/32 dev lo"])
            _ = try Self.replace(nil, service, &reconciliation)
            let another = try LongConnection(from: lab.client, to: "203.0.113.7", port: 80)
            _ = try Self.replace(service, nil, &reconciliation)
            #expect(try Self.addresses(of: lab).contains("203.0.113.7"))
            try lab.node.ip(["address add 203.0.113.7/32 dev lo"])
            try nothing.apply(in: lab.node)
            #expect(try !Self.addresses(of: lab).contains("203.0.113.7"))
            #expect(try !Self.servers(in: lab.node).contains { $0.contains("203.0.113.7") })
            #expect(Client.probe(from: lab.client, to: "203.0.113.7", port: 9999).server == "node")
            withExtendedLifetime((connections, another)) {}
        }
    }
}
