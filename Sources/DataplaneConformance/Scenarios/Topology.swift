internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// Which endpoints are near enough (semantics 13).
enum TopologyScenario {
    private struct Hints {
        var zones: [String] = []
        var nodes: [String] = []
    }

    private struct Case {
        let name: String
        /// For pod1, remote1 (another node, our zone) and remote2 (another zone).
        let hints: [Hints]
        var conditions: [EndpointConditions] = [.ready, .ready, .ready]
    }

    private static let cases = [
        Case(
            name: "every-zone", hints: [Hints(zones: ["zone-a"]), Hints(zones: ["zone-a"]), Hints(zones: ["zone-b"])]),
        Case(
            name: "shared-zones",
            hints: [Hints(zones: ["zone-b"]), Hints(zones: ["zone-b", "zone-a"]), Hints(zones: ["zone-b"])]),
        Case(name: "one-without", hints: [Hints(zones: ["zone-a"]), Hints(), Hints(zones: ["zone-b"])]),
        Case(
            name: "none-for-us", hints: [Hints(zones: ["zone-b"]), Hints(zones: ["zone-c"]), Hints(zones: ["zone-b"])]),
        Case(
            name: "same-node",
            hints: [
                Hints(zones: ["zone-a"], nodes: ["node-a"]), Hints(zones: ["zone-a"], nodes: ["node-b"]),
                Hints(zones: ["zone-b"], nodes: ["node-c"]),
            ]),
        Case(
            name: "same-node-falls-back-to-zone",
            hints: [
                Hints(zones: ["zone-b"], nodes: ["node-x"]), Hints(zones: ["zone-a"], nodes: ["node-b"]),
                Hints(zones: ["zone-b"], nodes: ["node-c"]),
            ]),
        Case(
            name: "same-node-falls-back-to-all",
            hints: [Hints(nodes: ["node-x"]), Hints(nodes: ["node-b"]), Hints(nodes: ["node-c"])]),
        Case(
            name: "one-without-a-node",
            hints: [
                Hints(zones: ["zone-a"], nodes: ["node-a"]), Hints(zones: ["zone-a"]),
                Hints(zones: ["zone-b"], nodes: ["node-c"]),
            ]),
        Case(
            name: "the-unready-have-no-say",
            hints: [Hints(), Hints(zones: ["zone-a"]), Hints(zones: ["zone-b"])],
            conditions: [.unready, .ready, .ready]),
        Case(
            name: "the-terminating-have-no-say",
            hints: [Hints(), Hints(zones: ["zone-a"]), Hints(zones: ["zone-b"])],
            conditions: [.serving, .ready, .ready]),
        Case(
            name: "only-terminating-ignore-hints",
            hints: [Hints(zones: ["zone-a"]), Hints(zones: ["zone-b"]), Hints(zones: ["zone-b"])],
            conditions: [.serving, .serving, .serving]),
    ]

    /// Hints as EndpointSlices have them, and native definitions with their distributions; each with policies Cluster,
    /// which ask for what is near, and Local, which do not.
    static let services: [Service] = {
        let hinted = cases.map { test in
            (test.name, zip(test.hints, test.conditions).map { ($0, $1) }, nil as String?)
        }
        let distributed = ["PreferClose", "PreferSameZone", "PreferSameNode"].map { distribution in
            (
                distribution.lowercased(), [(Hints(), EndpointConditions.ready), (Hints(), .ready), (Hints(), .ready)],
                distribution as String?
            )
        }
        // Nobody on this node, so that the zone must do.
        let elsewhere = [
            (
                "prefersamenode-elsewhere",
                [(Hints(), EndpointConditions.unready), (Hints(), .ready), (Hints(), .ready)],
                "PreferSameNode" as String?
            )
        ]
        let all = (hinted + distributed + elsewhere).flatMap { test in TrafficPolicy.allCases.map { (test, $0) } }
        return all.enumerated().map { number, pair in
            let ((name, states, distribution), policy) = pair
            return .numbered(number, "\(name)-\(policy)") { service in
                service.internalTrafficPolicy = policy
                service.externalTrafficPolicy = policy
                service.trafficDistribution = distribution
                service.isFromKubernetes = distribution == nil
                service.endpoints = zip([Place.pod1, .remote1, .remote2], states).flatMap { place, state in
                    place.endpoints(state.1) { ($0.zoneHints, $0.nodeHints) = (state.0.zones, state.0.nodes) }
                }
            }
        }
    }()

    static let facts: [(name: String, node: NodeFacts)] = {
        let known = NodeFacts.conformance()
        var nameless = known
        nameless.nodeName = nil
        var placeless = known
        placeless.zone = nil
        return [("a known node", known), ("a node without a name", nameless), ("a node without a zone", placeless)]
    }()
}

extension ConformanceTest {
    /// Zone hints, and same-node preference with fallback.
    static let topology: [ConformanceTest] = TopologyScenario.facts.map { facts in
        ConformanceTest("hints and distributions on \(facts.name) (semantics 13)") {
            try $0.apply(TopologyScenario.services, node: facts.node)
            try $0.examine { $0.kind == .clusterIP || $0.kind == .nodePort }
        }
    }
}
