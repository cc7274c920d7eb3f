internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// Who may use a load-balancer address (semantics 4, 9, 34 and 35).
enum SourceRangesScenario {
    private static let lists: [(name: String, ranges: [String])] = [
        ("client-alone", ["192.0.2.100/32", "2001:db8::100/128"]),
        ("strangers", ["198.51.100.0/24", "2001:db8:1::/48"]),
        ("ipv4-alone", ["192.0.2.0/24"]),
        ("ipv6-alone", ["2001:db8::/64"]),
        ("everybody", ["0.0.0.0/0", "::/0"]),
        ("everybody-among-others", ["198.51.100.0/24", "0.0.0.0/0", "2001:db8:1::/48", "::/0"]),
        ("everybody-in-ipv4", ["0.0.0.0/0"]),
        ("nested", ["192.0.2.96/27", "192.0.2.100/32", "192.0.2.96/29", "2001:db8::/120", "2001:db8::100/120"]),
        ("neighbours", ["192.0.2.99/32", "192.0.2.101/32", "2001:db8::ff/128", "2001:db8::101/128"]),
        ("pods", ["10.244.0.0/16", "fd00:244::/32"]),
        ("this-nodes-pods", ["10.244.1.0/24", "fd00:244:1::/64"]),
        ("the-node", ["192.0.2.10/32", "2001:db8::10/128"]),
    ]

    private static let everywhere = [Place.pod1.endpoints(), Place.pod2.endpoints(), Place.remote1.endpoints()]

    private static func blocks(_ name: String) -> [CIDR] {
        lists.first { $0.name == name }?.ranges.compactMap { CIDR($0) } ?? []
    }

    static let strangers = blocks("strangers")

    /// Every list under both external policies, with endpoints; and three special services.
    static let services: [Service] = {
        var services = lists.flatMap { list in TrafficPolicy.allCases.map { (list, $0) } }.enumerated().map {
            number, pair in
            Service.numbered(
                number, "\(pair.0.name)-\(pair.1)", transports: [.tcp, .udp], endpoints: everywhere
            ) {
                $0.externalTrafficPolicy = pair.1
                $0.loadBalancerSourceRanges = blocks(pair.0.name)
            }
        }
        // Who is not allowed must not learn that there is nothing.
        services.append(
            .numbered(100, "without-endpoints") { $0.loadBalancerSourceRanges = blocks("client-alone") })
        // An address in both lists would be open if it counted as external.
        services.append(
            .numbered(101, "external-too", endpoints: everywhere) {
                $0.externalIPs = $0.loadBalancerIPs
                $0.loadBalancerSourceRanges = blocks("client-alone")
            })
        return services
    }()

    /// Services whose load-balancer addresses are bound to the node.
    static let boundServices: [Service] = ["the-node", "everybody"].enumerated().map { number, list in
        .numbered(110 + number, "bound-\(list)", endpoints: everywhere) {
            $0.loadBalancerSourceRanges = blocks(list)
        }
    }
}

extension ConformanceTest {
    static let sourceRanges: [ConformanceTest] = [
        ConformanceTest("source ranges close load-balancer addresses, and these alone (semantics 4, 9 and 34)") {
            try $0.apply(SourceRangesScenario.services, node: .conformance(podsAreKnown: [.ipv4, .ipv6]))
            try $0.examine()
        },
        ConformanceTest(
            "a load-balancer address that the node has is a source of the node (semantics 35)",
            for: { !$0.addressesAreLocal }
        ) { trial in
            for address in SourceRangesScenario.boundServices.flatMap(\.loadBalancerIPs) {
                try trial.addToNode(address)
            }
            try trial.apply(SourceRangesScenario.boundServices)
            try trial.examine()
        },
        ConformanceTest("source ranges that close keep connections (semantics 34)", keepsConnections: true) { trial in
            let service = Service.numbered(1, "web", endpoints: [Place.pod1.endpoints()])
            try trial.apply([service])
            let connections = try service.loadBalancerIPs.map {
                try LongConnection(from: trial.lab.client.namespace, to: $0, port: 80)
            }
            try trial.apply([
                .numbered(1, "web", endpoints: [Place.pod1.endpoints()]) {
                    $0.loadBalancerSourceRanges = SourceRangesScenario.strangers
                }
            ])
            try trial.examine()
            ConformanceTest.check(connections, trial)
        },
    ]
}
