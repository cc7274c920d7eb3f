internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// At which addresses node ports answer (semantics 5 to 7).
enum NodePortScenario {
    static let services: [Service] = TrafficPolicy.allCases.enumerated().map { number, policy in
        .numbered(
            number, "\(policy)", transports: [.tcp, .udp],
            endpoints: [Place.pod1.endpoints(), Place.remote1.endpoints()]
        ) {
            $0.externalTrafficPolicy = policy
        }
    }

    static let selections: [(name: String, blocks: [String]?)] = [
        ("every address of the node", nil),
        ("one block of each family", ["192.0.2.0/24", "2001:db8::/64"]),
        ("blocks that overlap", ["172.18.0.0/16", "172.18.0.10/32", "fd00:18::/64", "fd00:18::10/128"]),
        ("IPv4 alone", ["10.244.1.0/24"]),
        ("IPv6 alone", ["fd00:244:1::/64"]),
        ("all of both families", ["0.0.0.0/0", "::/0"]),
        ("loopback", ["127.0.0.0/8", "::1/128"]),
        ("blocks that hold no address of the node", ["198.51.100.0/24", "2001:db8:7::/48"]),
    ]
}

extension ConformanceTest {
    static let nodePorts: [ConformanceTest] =
        NodePortScenario.selections.map { selection in
            ConformanceTest("node ports at \(selection.name) (semantics 5 and 6)") { trial in
                var node = NodeFacts.conformance()
                node.nodePortAddresses = selection.blocks?.compactMap { CIDR($0) }
                try trial.apply(NodePortScenario.services, node: node)
                try trial.examine(nodePortsAt: trial.nodeAddresses.sorted()) { $0.kind == .nodePort }
            }
        } + [
            ConformanceTest(
                "an address that the node gets later serves node ports (semantics 7)", for: { !$0.addressesAreLocal }
            ) { trial in
                let addresses = ["192.0.2.77", "2001:db8::77"].map { IPAddress(known: $0) }
                try trial.apply(NodePortScenario.services)
                for address in addresses { try trial.addToNode(address, interface: "client") }
                try trial.examine(nodePortsAt: addresses) { $0.kind == .nodePort }
            },
            ConformanceTest(
                "a service's address on the node goes before node ports (semantics 6)", for: { !$0.addressesAreLocal }
            ) { trial in
                let first = Service.numbered(1, "by-port", endpoints: [Place.pod1.endpoints()])
                let second = Service.numbered(2, "by-address", endpoints: [Place.pod2.endpoints()]) {
                    $0.externalIPs = [Lab.nodeAddresses.ipv4, Lab.nodeAddresses.ipv6]
                    $0.ports[0].port = 30_001
                }
                try trial.apply([first, second])
                try trial.examine(nodePortsAt: trial.nodeAddresses.sorted())
            },
        ]
}
