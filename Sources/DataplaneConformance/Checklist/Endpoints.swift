internal import NetAddress
internal import ServiceModel
internal import ServicePlan

extension ConformanceTest {
    private static func services(
        _ situations: [String], _ transports: [TransportProtocol] = [.tcp, .udp],
        _ change: (inout Service) -> Void = { _ in }
    ) -> [Service] {
        PolicyMatrix.situations.filter { situations.contains($0.name) }.enumerated().map { number, situation in
            .numbered(number, situation.name, transports: transports, endpoints: situation.endpoints) {
                $0.publishNotReadyAddresses = situation.publishNotReadyAddresses
                change(&$0)
            }
        }
    }

    private static let terminating = [
        "serving-everywhere", "serving-here", "serving-there", "serving-here-ready-there",
    ]

    private static func fallback(
        _ name: String, _ isAsked: @escaping @Sendable (Destination) -> Bool,
        _ change: @escaping @Sendable (inout Service) -> Void
    ) -> ConformanceTest {
        ConformanceTest("terminating fallback: \(name) (semantics 11 and 12)") {
            try $0.apply(services(terminating, [.tcp, .udp], change))
            try $0.examine(isAsked)
        }
    }

    /// Which endpoints serve, by their conditions and the policies.
    static let endpoints: [ConformanceTest] = [
        ConformanceTest("unready and terminating endpoints without publishNotReadyAddresses (semantics 10 and 11)") {
            try $0.apply(
                services([
                    "unready", "unready-here", "dead", "dead-here", "dead-beside-serving", "serving-steps-aside",
                    "ready-but-terminating",
                ]))
            try $0.examine()
        },
        ConformanceTest("unready and terminating endpoints with publishNotReadyAddresses (semantics 10)") { trial in
            try trial.apply(services(["published", "published-beside-ready"]))
            try trial.examine()
            // Switched off, the same endpoints are refused or step aside.
            try trial.apply(services(["published", "published-beside-ready"]) { $0.publishNotReadyAddresses = false })
            try trial.examine()
        },
        fallback("internal policy Cluster", { $0.kind == .clusterIP }) { $0.internalTrafficPolicy = .cluster },
        fallback("internal policy Local", { $0.kind == .clusterIP }) { $0.internalTrafficPolicy = .local },
        fallback("external policy Cluster", { $0.kind != .clusterIP }) { $0.externalTrafficPolicy = .cluster },
        fallback("external policy Local", { $0.kind != .clusterIP }) { $0.externalTrafficPolicy = .local },
        ConformanceTest("internal policy Local from a pod and from the host (semantics 15, 26 and 28)") { trial in
            let services = services(["all-ready", "only-remote", "only-local", "none"]) {
                $0.internalTrafficPolicy = .local
            }
            try trial.apply(services, node: .conformance(podsAreKnown: [.ipv4, .ipv6]))
            try trial.examine { $0.kind == .clusterIP }
        },
        ConformanceTest(
            "external policy Local for node ports, from pods, on nodes with and without endpoints (semantics 20, 21, 27)"
        ) { trial in
            let services = services(["all-ready", "only-remote", "only-local", "none"]) {
                $0.externalTrafficPolicy = .local
            }
            for families in [[], [.ipv4, .ipv6]] as [Set<IPFamily>] {
                try trial.apply(services, node: .conformance(podsAreKnown: families))
                try trial.examine { $0.kind != .clusterIP }
            }
        },
        ConformanceTest("changes of the external policy") { trial in
            for policy in [TrafficPolicy.cluster, .local, .cluster, .local] {
                try trial.apply(services(["all-ready", "only-remote"], [.tcp]) { $0.externalTrafficPolicy = policy })
                try trial.examine { $0.kind != .clusterIP }
            }
        },
    ]
}
