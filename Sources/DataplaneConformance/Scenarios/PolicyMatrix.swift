internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// Every situation that endpoints can be in, under every pair of policies, at every kind of address, from every
/// source, in both families.
enum PolicyMatrix {
    /// The endpoints of a service in one situation.
    struct Situation: Sendable {
        let name: String
        let endpoints: [[Endpoint]]
        var publishNotReadyAddresses = false
    }

    static let situations: [Situation] = [
        Situation(
            name: "all-ready", endpoints: [Place.pod1.endpoints(), Place.pod2.endpoints(), Place.remote1.endpoints()]),
        Situation(name: "only-remote", endpoints: [Place.remote1.endpoints(), Place.remote2.endpoints()]),
        Situation(name: "only-local", endpoints: [Place.pod1.endpoints()]),
        Situation(name: "none", endpoints: []),
        Situation(name: "unready", endpoints: [Place.pod1.endpoints(.unready), Place.remote1.endpoints(.unready)]),
        Situation(
            name: "unready-here", endpoints: [Place.pod1.endpoints(.unready), Place.remote1.endpoints()]),
        Situation(
            name: "serving-everywhere", endpoints: [Place.pod1.endpoints(.serving), Place.remote1.endpoints(.serving)]),
        Situation(name: "serving-here", endpoints: [Place.pod2.endpoints(.serving)]),
        Situation(name: "serving-there", endpoints: [Place.remote1.endpoints(.serving)]),
        Situation(
            name: "serving-here-ready-there", endpoints: [Place.pod1.endpoints(.serving), Place.remote1.endpoints()]),
        Situation(
            name: "ready-here-serving-there", endpoints: [Place.pod1.endpoints(), Place.remote1.endpoints(.serving)]),
        Situation(
            name: "serving-steps-aside", endpoints: [Place.pod1.endpoints(.serving), Place.pod2.endpoints()]),
        Situation(name: "dead", endpoints: [Place.pod1.endpoints(.dead), Place.remote1.endpoints(.dead)]),
        Situation(name: "dead-here", endpoints: [Place.pod1.endpoints(.dead), Place.remote1.endpoints()]),
        Situation(
            name: "dead-beside-serving", endpoints: [Place.pod1.endpoints(.dead), Place.pod2.endpoints(.serving)]),
        Situation(
            name: "ready-but-terminating",
            endpoints: [
                Place.pod1.endpoints([.isReady, .isServing, .isTerminating]), Place.remote1.endpoints(),
            ]),
        Situation(
            name: "published", endpoints: [Place.pod1.endpoints(.unready), Place.remote1.endpoints(.dead)],
            publishNotReadyAddresses: true),
        Situation(
            name: "published-beside-ready", endpoints: [Place.pod1.endpoints(.dead), Place.pod2.endpoints()],
            publishNotReadyAddresses: true),
        Situation(
            name: "nobody-knows-where",
            endpoints: [Place.pod1.endpoints { $0.nodeName = nil }, Place.remote1.endpoints { $0.nodeName = nil }]),
    ]

    /// A service for each situation and pair of policies. UDP takes the same way through the rules, so it is enough to
    /// have it where both policies are the same.
    static let services: [Service] = {
        let policies = TrafficPolicy.allCases.flatMap { inner in TrafficPolicy.allCases.map { (inner, $0) } }
        let cases = situations.flatMap { situation in policies.map { (situation, $0.0, $0.1) } }
        return cases.enumerated().map { number, test in
            let (situation, inner, outer) = test
            let name = "\(situation.name)-\(inner)-\(outer)"
            return .numbered(
                number, name, transports: inner == outer ? [.tcp, .udp] : [.tcp], endpoints: situation.endpoints
            ) {
                $0.internalTrafficPolicy = inner
                $0.externalTrafficPolicy = outer
                $0.publishNotReadyAddresses = situation.publishNotReadyAddresses
            }
        }
    }()

    private static let byInterface: NodeFacts = {
        var node = NodeFacts.conformance()
        node.podInterfaces = [.prefix("pod")]
        return node
    }()

    static let facts: [(name: String, node: NodeFacts)] = [
        ("pods are not known", .conformance()),
        ("pods are known", .conformance(podsAreKnown: [.ipv4, .ipv6])),
        ("pods are known in IPv4 alone", .conformance(podsAreKnown: [.ipv4])),
        ("everybody is masqueraded", .conformance(masqueradeAll: true)),
        ("everybody is masqueraded, pods are known", .conformance(podsAreKnown: [.ipv4, .ipv6], masqueradeAll: true)),
        ("pods are known by their interfaces", byInterface),
        ("the node does not know its name", NodeFacts(clusterCIDRs: Place.podBlocks)),
    ]
}

extension ConformanceTest {
    /// Semantics 2, 10 to 12, 14, 15, 18 to 22, 26, 27, 29 to 31: the whole matrix, once for each kind of node.
    static let policyMatrix: [ConformanceTest] = PolicyMatrix.facts.map { facts in
        ConformanceTest("every situation and policy where \(facts.name) (semantics 10-12, 14, 15, 18-22, 26-31)") {
            try $0.apply(PolicyMatrix.services, node: facts.node)
            try $0.examine()
        }
    }
}
