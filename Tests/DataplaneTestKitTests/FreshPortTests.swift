import NetAddress
import Testing

@testable import DataplaneTestKit

@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct FreshPortTests {
    /// A port that a connection of the same client has is not fresh: another one to the same peer cannot have it.
    @Test(arguments: IPFamily.allCases) func isNotTheOneOfAConnection(family: IPFamily) throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [family], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let address = lab.pods[0].addresses[family]
        let target = Target(address, 8080, .tcp, source: nil, sourcePort: nil)
        let any = SocketAddress(address: family == .ipv4 ? IPAddress(ipv4: 0) : IPAddress(ipv6: 0, 0), port: 0)
        try lab.client.run {
            let first = try target.connect(Deadline(.seconds(5)))
            let taken = try #require(first.localAddress?.port)
            var ports = [taken, taken, taken == 10_000 ? 10_001 : taken - 1]
            let second = try Socket.open(family, .tcp, isShared: false)
            try FreshPort.bind(second, to: any) { ports.removeFirst() }
            #expect(ports.isEmpty)
            try second.connect(target.peer, deadline: Deadline(.seconds(5)))
        }
    }
}
