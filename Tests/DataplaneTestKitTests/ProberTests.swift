import DataplaneTestKit
import Glibc
import NetAddress
import Testing

/// Many probes at once come to what each of them alone would come to.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct ProberTests {
    @Test func answersRefusalsAndSilenceTogether() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers() + lab.startServers(transport: .udp)
        defer { for server in servers { server.stop() } }
        try lab.node.nft(
            """
            table inet t {
                chain c {
                    type filter hook forward priority 0
                    th dport 7 drop
                    th dport 8 reject
                }
            }

            """)
        var probes: [Probe] = []
        for round in 0..<40 {
            for family in IPFamily.allCases {
                for transport in [TransportProtocol.tcp, .udp] {
                    let address = lab.pods[round % 2].addresses[family]
                    probes.append(Probe(address, port: 8080, transport: transport))
                    probes.append(Probe(address, port: 7, transport: transport, patience: .milliseconds(100)))
                    probes.append(Probe(address, port: 8, transport: transport))
                    probes.append(Probe(address, port: 9, transport: transport))
                }
            }
        }
        let sources = [(lab.client, Lab.clientAddresses), (lab.pods[0].namespace, lab.pods[0].addresses)]
        let outcomes = try Client.probe(sources.map { ProbeBatch(from: $0.0, probes) })
        // Within a pod nothing is forwarded, so only its neighbour is of interest.
        for (outcomes, (_, source)) in zip(outcomes, sources) {
            for (probe, outcome) in zip(probes, outcomes) where !source.contains(probe.address) {
                switch probe.port {
                case 8080: #expect(outcome.seenAs == source[probe.address.family], "\(probe)")
                case 7: #expect(outcome == .timedOut, "\(probe)")
                default: #expect(outcome == .refused, "\(probe)")
                }
            }
        }
    }

    @Test func errorsOfTheSocketAreOutcomes() throws {
        let alone = try NetworkNamespace("alone")
        let outcomes = try Client.probe([Probe(Lab.nodeAddresses.ipv4, port: 80)], from: alone)
        #expect(outcomes == [.unreachable(ENETUNREACH)])
    }
}

extension DualStack {
    fileprivate func contains(_ address: IPAddress) -> Bool { self[address.family] == address }
}
