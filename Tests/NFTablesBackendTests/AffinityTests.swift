import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import Testing

/// What is particular to how nf_tables remembers clients; the rest stands in the conformance suite.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct AffinityTests {
    private static func sticky(_ change: (inout Service) -> Void = { _ in }) -> Service {
        var service = TrafficTests.everyKind(.tcp, pods: 2)
        service.clientIPAffinitySeconds = 10800
        change(&service)
        return service
    }

    /// What a client was remembered for before anybody could forget it is caught: its next attempts find another
    /// endpoint, and never the one that is gone (semantics 37).
    @Test func whatSlipsThroughIsCaught() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.sticky()]).apply(in: lab.node)
        let address = TrafficTests.clusterIPs.ipv4
        let pod = try #require(Client.probe(from: lab.client, to: address, port: 80).server)
        // As if it had been learnt between our look and our transaction: the memory is there, the endpoint is not.
        let remaining = pod == "pod1" ? 2 : 1
        let memory = try lab.node.tool(["nft", "list", "map", "ip", "svcctl", "affinity"])
        let entry = try #require(memory.split(separator: "\n").first { $0.contains("192.0.2.100 . ") })
        let number = try #require(entry.split(separator: " ").first { $0.hasPrefix("24") || $0.hasPrefix("25") })
        let gone = Lab.podAddresses(pod == "pod1" ? 1 : 2).ipv4
        let service = Self.sticky() { $0.endpoints.removeAll { $0.address == gone } }
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
}
