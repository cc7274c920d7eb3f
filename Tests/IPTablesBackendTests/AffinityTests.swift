import DataplaneConformance
import DataplaneTestKit
import NetAddress
import ServiceModel
import Testing

/// The bounds of the match recent, which other backends do not have (semantics 39).
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct AffinityTests {
    /// Each endpoint remembers so many clients as the module's parameter says, and the oldest make room.
    @Test func theOldestClientsAreForgotten() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let service = Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: [Lab.podAddresses(1).ipv4]) {
            $0.clientIPAffinitySeconds = 10_800
        }
        try Desired(services: [service]).apply(in: lab.node)
        let parameter = try lab.node.tool(["cat", "/sys/module/xt_recent/parameters/ip_list_tot"])
        let most = try #require(Int(parameter.prefix { $0.isNumber }))
        // So many addresses the client's network has left.
        try #require(most <= 150)
        let clients = (0..<most + 3).map { IPAddress(ipv4: 0xc000_0265 + UInt32($0)) }
        try lab.client.add(clients.map { InterfaceAddress($0, prefixLength: 24) }, to: "eth0", preferred: false)
        for client in clients {
            let outcome = Client.probe(from: lab.client, to: "10.96.0.10", port: 80, source: client)
            try #require(outcome.server == "pod1", "\(client): \(outcome)")
        }
        let remembered = try lab.node.tool(["sh", "-c", "cat /proc/net/xt_recent/SVCCTL-*"])
        let sources = remembered.split(separator: "\n").compactMap {
            $0.split(separator: " ").first?.split(separator: "=").last
        }
        #expect(sources.count == most)
        #expect(!sources.contains { $0 == "\(clients[0])" } && sources.contains { $0 == "\(clients[most])" })
    }
}
