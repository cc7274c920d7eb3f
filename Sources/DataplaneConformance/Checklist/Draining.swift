internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

extension ConformanceTest {
    private static func drain(_ places: [Place], _ service: inout Service) {
        let addresses = places.flatMap { [$0.addresses.ipv4, $0.addresses.ipv6] }
        for index in service.endpoints.indices where addresses.contains(service.endpoints[index].address) {
            service.endpoints[index].weight = 0
        }
    }

    /// An endpoint with weight 0: nobody who is new comes, nobody who is there is sent away.
    static let draining: [ConformanceTest] = [
        ConformanceTest("a weight of 0 keeps connections, and new ones away (draining)", keepsConnections: true) {
            trial in
            let here = [Place.pod1, .pod2]
            for policy in TrafficPolicy.allCases {
                func service(_ drained: [Place]) -> Service {
                    .numbered(
                        1, "web", transports: [.tcp, .udp],
                        endpoints: (here + [.remote1]).map { $0.endpoints() }
                    ) {
                        $0.externalTrafficPolicy = policy
                        drain(drained, &$0)
                    }
                }
                try trial.apply([service([])])
                let connections = try service([]).clusterIPs.flatMap { address in
                    try (0..<8).map { _ in
                        try LongConnection(from: trial.lab.client.namespace, to: address, port: 80)
                    }
                }
                for drained in [[.pod1], here, [.pod1, .pod2, .remote1], [.remote1], []] as [[Place]] {
                    try trial.apply([service(drained)])
                    try trial.examine()
                    check(connections, trial)
                }
            }
        },
        ConformanceTest(
            "clients of an endpoint with weight 0 may come back to it (draining)", keepsConnections: true,
            for: { $0.drainedAreRemembered }
        ) { trial in
            func service(_ drained: [Place]) -> Service {
                .sticky(1, "web", endpoints: [Place.pod1.endpoints(), Place.remote1.endpoints()]) {
                    drain(drained, &$0)
                }
            }
            try trial.apply([service([])])
            let clients = try trial.lab.makeClients(20)
            let (old, young, late) = (Array(clients[..<12]), Array(clients[12..<16]), Array(clients[16...]))
            let before = try trial.homes(of: old, at: trial.destinations)
            trial.checkSpread(before)
            let connections = try old.map {
                let family = IPFamily.ipv4
                return try LongConnection(
                    from: $0.namespace, to: service([]).clusterIPs[0], port: 80, source: $0.boundAddress(family))
            }
            try trial.apply([service([.pod1])])
            trial.compare(try trial.homes(of: old, at: trial.destinations), to: before, "with an endpoint drained")
            for (seat, home) in try trial.homes(of: young, at: trial.destinations) {
                trial.check(home == ConformanceLab.server(.remote1, 8080), "\(seat) came to \(home), which is drained")
            }
            // All of them drained: who is new is refused.
            try trial.apply([service([.pod1, .remote1])])
            trial.compare(try trial.homes(of: old, at: trial.destinations), to: before, "with all endpoints drained")
            for (seat, outcomes) in try trial.answers(of: late, at: trial.destinations) {
                trial.check(outcomes == ["\(Outcome.refused)"], "\(seat), with all endpoints drained: \(outcomes)")
            }
            check(connections, trial)
        },
    ]
}
