import Conntrack
import DataplaneTestKit
import NetAddress
import Testing

/// Flows of real packets, against the stock tool's view of them.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct TrafficTests {
    static let address = DualStack(ipv4: ip("10.0.0.1"), ipv6: ip("fd00:1::1"))
    static let server = DualStack(ipv4: ip("10.0.0.2"), ipv6: ip("fd00:1::2"))
    static let service = DualStack(ipv4: ip("10.96.0.10"), ipv6: ip("fd00:96::10"))

    struct Network {
        let client: NetworkNamespace
        let servers: [EchoServer]
        let server: NetworkNamespace

        /// A client whose packets to port 53 of the service are translated, and everything else is tracked.
        init() throws {
            client = try NetworkNamespace("client")
            let server = try NetworkNamespace("server")
            self.server = server
            let ends = [TrafficTests.address, TrafficTests.server].map { end in
                NetworkNamespace.LinkEnd(
                    "eth0",
                    addresses: [
                        InterfaceAddress(end.ipv4, prefixLength: 24), InterfaceAddress(end.ipv6, prefixLength: 64),
                    ],
                    routes: ["0.0.0.0/0", "::/0"].compactMap { CIDR($0) }.map { NetworkNamespace.Route($0) })
            }
            try client.connect(server, near: ends[0], far: ends[1])
            try client.nft(
                """
                table inet nat {
                    chain output {
                        type nat hook output priority -100
                        ip daddr \(TrafficTests.service.ipv4) udp dport 53 dnat ip to \(TrafficTests.server.ipv4):5353
                        ip6 daddr \(TrafficTests.service.ipv6) udp dport 53 dnat ip6 to [\(TrafficTests.server.ipv6)]:5353
                    }
                    chain postrouting { type nat hook postrouting priority 100; }
                }
                """)
            servers = try IPFamily.allCases.flatMap { family in
                try [(TransportProtocol.udp, UInt16(5353)), (.tcp, 80)].map { transport, port in
                    try EchoServer(
                        in: server, address: TrafficTests.server[family], port: port, transport: transport, name: "a")
                }
            }
        }
    }

    @Test(arguments: IPFamily.allCases) func listsWhatTheStockToolLists(_ family: IPFamily) throws {
        let network = try Network()
        let translated = try UDPFlow(from: network.client, to: Self.service[family], port: 53)
        let direct = try UDPFlow(from: network.client, to: Self.server[family], port: 5353)
        let unanswered = try UDPFlow(from: network.client, to: Self.server[family], port: 9)
        for flow in [translated, direct] { #expect(flow.probe().server == "a") }
        _ = unanswered.probe(timeout: .milliseconds(20))
        _ = Client.probe(from: network.client, to: Self.server[family], port: 80)

        let flows = try network.client.flows(family)
        #expect(flows.count == 3)
        #expect(try Set(flows.map(ToolListing.line)) == ToolListing(network.client, family).lines)
        #expect(try network.client.flows(family, filtersInKernel: false) == flows, "the filter is only an optimisation")
        #expect(try network.client.flows(family, .tcp).map(\.original.destinationPort) == [80])
        #expect(try network.client.flows(family == .ipv4 ? .ipv6 : .ipv4).isEmpty)

        let found = try #require(flows.first { $0.original.sourcePort == translated.sourcePort })
        #expect(found.family == family && found.transport == .udp && found.zone == nil)
        #expect(found.original.source == Self.address[family])
        #expect(found.original.destination == Self.service[family])
        #expect(found.original.destinationPort == 53)
        #expect(found.reply.source == Self.server[family])
        #expect(found.reply.sourcePort == 5353)
        #expect(found.reply.destination == Self.address[family])
        #expect(found.reply.destinationPort == translated.sourcePort)
        #expect(found.status.isSuperset(of: [.seenReply, .confirmed, .destinationNAT]))
        for flow in flows where flow != found {
            #expect(flow.reply == flow.original.reversed)
            #expect(flow.status.contains(.seenReply) == (flow.original.sourcePort == direct.sourcePort))
            #expect(flow.status.isDisjoint(with: [.destinationNAT, .sourceNAT]))
        }
    }

    /// Deleting one flow leaves the others, and its next packet meets the rules of then.
    @Test(arguments: IPFamily.allCases) func deletesOneFlow(_ family: IPFamily) throws {
        let network = try Network()
        let clients = try (0..<3).map { _ in
            try UDPFlow(from: network.client, to: Self.service[family], port: 53)
        }
        for client in clients { #expect(client.probe().server == "a") }
        let flows = try network.client.flows(family)
        let victim = try #require(flows.first { $0.original.sourcePort == clients[1].sourcePort })
        #expect(try network.client.delete([victim]) == 1)
        #expect(try network.client.flows(family) == flows.filter { $0 != victim })
        #expect(try network.client.delete([victim]) == 0, "it is gone, which is no error")

        // The server moves; the entry of the second client does not keep it from following.
        let moved = try EchoServer(
            in: network.server, address: Self.server[family], port: 5454, transport: .udp, name: "moved")
        let (keyword, target) =
            family == .ipv4 ? ("ip", "\(Self.server.ipv4)") : ("ip6", "[\(Self.server.ipv6)]")
        try network.client.nft(
            """
            flush chain inet nat output
            add rule inet nat output \(keyword) daddr \(Self.service[family]) udp dport 53 dnat \(keyword) to \(target):5454
            """)
        #expect(clients.map { $0.probe().server } == ["a", "moved", "a"])
        moved.stop()
    }
}
