import DataplaneTestKit
import Glibc
import NetAddress
import Testing

@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct OutcomeTests {
    let lab: Lab

    init() throws { lab = try Lab(pods: 1) }

    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func closedPortsRefuse(family: IPFamily, transport: TransportProtocol) throws {
        let address = lab.pods[0].addresses[family]
        // More often than the kernel would send ICMP errors if it were left to its limits.
        let tally = try Client.tally(20, from: lab.client, to: address, port: 9, transport: transport)
        #expect(tally.failures == Array(repeating: .refused, count: 20))
    }

    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func rejectRefusesAndDropTimesOut(family: IPFamily, transport: TransportProtocol) throws {
        let servers = try lab.startServers(transport: transport, families: [family])
        func probe() -> Outcome {
            Client.probe(
                from: lab.client, to: lab.pods[0].addresses[family], port: 8080, transport: transport,
                timeout: .milliseconds(100))
        }
        func verdict(_ verdict: String) throws {
            try lab.node.nft(
                """
                table inet t
                delete table inet t
                table inet t {
                    chain c {
                        type filter hook forward priority 0
                        \(transport) dport 8080 \(verdict)
                    }
                }

                """)
        }
        #expect(probe().server == "pod1")
        try verdict("drop")
        #expect(probe() == .timedOut)
        try verdict("reject")
        for _ in 0..<3 { #expect(probe() == .refused) }
        try verdict("accept")
        #expect(probe().server == "pod1")
        withExtendedLifetime(servers) {}
    }

    @Test func withoutARouteNothingIsReachable() throws {
        let alone = try NetworkNamespace("alone")
        #expect(Client.probe(from: alone, to: Lab.nodeAddresses.ipv4, port: 80) == .unreachable(ENETUNREACH))
        #expect(Client.probe(from: alone, to: Lab.nodeAddresses.ipv6, port: 80) == .unreachable(ENETUNREACH))
    }

    @Test func unallocatedServiceAddressesEndInSilence() throws {
        let address = try #require(IPAddress("10.96.0.99"))
        for namespace in [lab.client, lab.node, lab.pods[0].namespace] {
            let outcome = Client.probe(from: namespace, to: address, port: 80, timeout: .milliseconds(50))
            #expect(outcome == .timedOut)
        }
    }

    @Test(arguments: IPFamily.allCases, [TransportProtocol.tcp, .udp])
    func sourceAddressAndPortAreKept(family: IPFamily, transport: TransportProtocol) throws {
        let servers = try lab.startServers(transport: transport, families: [family])
        // A port each: whichever side closes first keeps the pair of addresses for a while.
        for port in 20_000..<20_003 as Range<UInt16> {
            let outcome = Client.probe(
                from: lab.client, to: lab.pods[0].addresses[family], port: 8080, transport: transport,
                source: Lab.clientAddresses[family], sourcePort: port)
            let expected = Outcome.answered(server: "pod1", seenAs: Lab.clientAddresses[family], seenPort: port)
            #expect(outcome == expected)
        }
        withExtendedLifetime(servers) {}
    }

    @Test func longConnectionsStay() throws {
        let servers = try lab.startServers(mode: .keepOpen)
        let connection = try LongConnection(from: lab.client, to: lab.pods[0].addresses.ipv4, port: 8080)
        #expect(connection.greeting.server == "pod1")
        for line in ["one", "two", String(repeating: "x", count: 100_000)] {
            #expect(try connection.exchange(line) == line)
        }
        for server in servers { server.stop() }
        #expect(throws: SystemCallError.self) { try connection.exchange("three") }
        connection.close()
    }

    @Test func udpFlowsKeepTheirPort() throws {
        let address = lab.pods[0].addresses.ipv4
        let flow = try UDPFlow(from: lab.client, to: address, port: 8080, sourcePort: 5353)
        #expect(flow.probe() == .refused)
        let servers = try lab.startServers(transport: .udp)
        for _ in 0..<3 { #expect(flow.probe().seenPort == 5353) }
        for server in servers { server.stop() }
        #expect(flow.probe() == .refused)
    }

    /// Two flows with one port would be one to connection tracking, and answers to both would come to one of them.
    @Test func udpFlowsHavePortsOfTheirOwn() throws {
        let flows = try (0..<300).map { _ in
            try UDPFlow(from: lab.client, to: lab.pods[0].addresses.ipv4, port: 8080)
        }
        #expect(Set(flows.map(\.sourcePort)).count == flows.count)
    }

    @Test(arguments: [TransportProtocol.tcp, .udp]) func probesChooseWhereTheySendFrom(_ transport: TransportProtocol)
        throws
    {
        let servers = try lab.startServers(transport: transport)
        defer { for server in servers { server.stop() } }
        let source = IPAddress(ipv4: 0xc000_0265)
        try lab.client.ip(["address add \(source)/24 dev eth0"])
        let probes = (UInt16(7000)..<7003).map {
            Probe(lab.pods[0].addresses.ipv4, port: 8080, transport: transport, source: source, sourcePort: $0)
        }
        let outcomes = try Client.probe(probes, from: lab.client)
        #expect(outcomes.map(\.seenAs) == [source, source, source])
        #expect(outcomes.map(\.seenPort) == [7000, 7001, 7002])
    }
}
