import DataplaneTestKit
import Glibc
import IPVS
import NetAddress
import Testing

extension WithKernel {
    /// What the kernel counts of real connections.
    @Suite struct TrafficTests {
        static let address = DualStack(ipv4: ip("10.1.0.1"), ipv6: ip("fd00:1::1"))
        static let server = DualStack(ipv4: ip("10.1.0.2"), ipv6: ip("fd00:1::2"))
        static let service = DualStack(ipv4: ip("10.96.0.10"), ipv6: ip("fd00:96::10"))

        @Test(arguments: IPFamily.allCases) func counters(_ family: IPFamily) throws {
            let node = try NetworkNamespace("node")
            let far = try NetworkNamespace("server")
            let ends = [(Self.address, Self.server), (Self.server, Self.address)].map { own, peer in
                NetworkNamespace.LinkEnd(
                    "eth0",
                    addresses: [
                        InterfaceAddress(own.ipv4, prefixLength: 24), InterfaceAddress(own.ipv6, prefixLength: 64),
                    ],
                    routes: ["0.0.0.0/0", "::/0"].compactMap { CIDR($0) }
                        .map { NetworkNamespace.Route($0, via: peer[$0.address.family]) })
            }
            try node.connect(far, near: ends[0], far: ends[1])
            // The node's own clients send from the service's address, and the far end answers through the node.
            try node.add([InterfaceAddress(Self.service[family], prefixLength: family.addressBits)], to: "lo")
            let echo = try EchoServer(
                in: far, address: Self.server[family], port: 8080, name: "a", mode: .keepOpen)

            let id = VirtualServerID.address(Self.service[family], .tcp, port: 80)
            let virtual = VirtualServer(id, scheduler: "rr", flags: .persistent, persistenceTimeout: 300)
            let reals = [RealServer(echo.address, port: 8080), RealServer(echo.address, port: 9, weight: 0)]
            let refusals = try node.send(
                batch {
                    $0.add(virtual)
                    for real in reals { $0.add(real, to: id) }
                })
            #expect(refusals == [])

            let tally = try Client.tally(5, from: node, to: Self.service[family], port: 80)
            #expect(tally.answers == ["a": 5])

            // The kernel adds up its counters every two seconds, for one object after the other.
            let (counted, servers) = try node.run {
                var socket = try IPVSSocket()
                var counted: VirtualServerStatus?
                var servers: [RealServerStatus] = []
                for _ in 0..<500 {
                    counted = try socket.virtualServer(id)
                    servers = try socket.realServers(of: id)
                    let counts = [counted?.statistics] + servers.map(\.statistics)
                    let complete = counts.count {
                        $0?.connections == 5 && $0?.incomingPackets ?? 0 >= 15 && $0?.outgoingPackets ?? 0 >= 10
                    }
                    if complete == 2 { break }
                    usleep(20_000)
                }
                return (counted, servers)
            }
            let statistics = try #require(counted).statistics
            #expect(counted?.server == virtual)
            #expect(statistics.connections == 5)
            // SYN, ACK and FIN at least, of at least 40 bytes each.
            #expect(statistics.incomingPackets >= 15)
            #expect(statistics.incomingBytes >= 600)
            #expect(statistics.outgoingPackets >= 10)
            #expect(statistics.outgoingBytes >= 400)

            let serving = try #require(servers.first { $0.server.id == reals[0].id })
            #expect(serving.statistics.connections == 5)
            #expect(serving.statistics.incomingBytes >= 600)
            #expect(serving.activeConnections + serving.inactiveConnections == 5)
            #expect(serving.persistentConnections == 1)
            let idle = try #require(servers.first { $0.server.id == reals[1].id })
            #expect(idle == RealServerStatus(server: reals[1]))
            echo.stop()
        }
    }
}
