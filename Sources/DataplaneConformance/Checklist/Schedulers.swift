internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

extension ConformanceTest {
    private static let places = [Place.pod1, .pod2, .remote1]
    private static let allServers = Set(places.map { ConformanceLab.server($0, 8080) })

    /// A service with three endpoints, over TCP and UDP.
    private static func web(
        _ scheduler: Scheduler, number: Int = 1, weights: [UInt16] = [1, 1, 1],
        _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        let endpoints = zip(places, weights).map { place, weight in place.endpoints { $0.weight = weight } }
        return .numbered(number, "web-\(number)", transports: [.tcp, .udp], endpoints: endpoints) {
            $0.scheduler = scheduler
            change(&$0)
        }
    }

    /// How many connections each server got, at every destination; all of them at once.
    private static func counts(_ trial: Trial, of clients: [Source]) throws -> [Seat: [String: Int]] {
        let attempts = trial.destinations.filter { $0.kind == .clusterIP }.flatMap { destination in
            clients.map { Trial.Attempt(source: $0, destination: destination) }
        }
        var counts: [Seat: [String: Int]] = [:]
        for (attempt, outcome) in zip(attempts, try trial.outcomes(of: attempts)) {
            let seat = trial.seat("everybody", at: attempt.destination)
            counts[seat, default: [:]][outcome.server ?? "\(outcome)", default: 0] += 1
        }
        return counts
    }

    /// Who of so many connections is not near enough to its share: 5 standard deviations away from it.
    private static func checkShares(
        _ trial: Trial, _ counts: [Seat: [String: Int]], weights: [UInt16], count: Int, isExact: Bool = false
    ) {
        let sum = weights.reduce(0) { $0 + Int($1) }
        for (seat, counts) in counts {
            let total = counts.values.reduce(0, +)
            trial.check(
                total == count && Set(counts.keys).isSubset(of: allServers), "\(seat), of \(count): \(counts)")
            for (place, weight) in zip(places, weights) {
                let share = Double(weight) / Double(sum)
                let found = Double(counts[ConformanceLab.server(place, 8080)] ?? 0)
                let tolerance = isExact ? 0 : 5 * (Double(count) * share * (1 - share)).squareRoot()
                trial.check(
                    abs(found - Double(count) * share) <= tolerance,
                    "\(seat): \(place) has weight \(weight) of \(sum) and got \(Int(found)) of \(count)")
            }
        }
    }

    private static func schedulerTest(
        _ scheduler: Scheduler, _ name: String, _ body: @escaping @Sendable (Trial) throws -> Void
    ) -> ConformanceTest {
        ConformanceTest("scheduler \(scheduler.rawValue): \(name)", for: { $0.schedulers.contains(scheduler) }, body)
    }

    /// How connections are spread.
    static let schedulers: [ConformanceTest] =
        [Scheduler.random, .roundRobin, .sourceHash, .maglev].map { scheduler in
            schedulerTest(scheduler, "endpoints and policies are respected") { trial in
                var services: [Service] = []
                for policy in TrafficPolicy.allCases {
                    for situation in PolicyMatrix.situations.prefix(7) {
                        services.append(
                            .numbered(
                                services.count, "\(situation.name)-\(policy)", transports: [.tcp, .udp],
                                endpoints: situation.endpoints
                            ) {
                                $0.scheduler = scheduler
                                $0.internalTrafficPolicy = policy
                                $0.externalTrafficPolicy = policy
                            })
                    }
                }
                try trial.apply(services, node: .conformance(podsAreKnown: [.ipv4]))
                // A client's address decides for a hash, and turns may come back to the same one with each round of
                // attempts, so that only who is drawn by lot must be seen in the end.
                try trial.examine(thoroughly: scheduler == .random)
            }
        } + [
            schedulerTest(.random, "shares are as weights are, and equal by default") { trial in
                let clients = Array(repeating: trial.lab.client, count: 300)
                for weights in [[1, 1, 1], [1, 4, 0]] as [[UInt16]] {
                    try trial.apply([web(.random, weights: weights)])
                    checkShares(trial, try counts(trial, of: clients), weights: weights, count: 300)
                }
            },
            schedulerTest(.roundRobin, "turns are exact at all addresses of a service port, whoever else is served") {
                trial in
                try trial.apply([web(.roundRobin), web(.roundRobin, number: 2)])
                var turns: [Seat: [String]] = [:]
                let kinds = [Destination.Kind.clusterIP, .externalIP, .nodePort, .loadBalancerIP]
                for kind in Array(repeating: kinds, count: trial.system.abilities.addressesAreOne ? 3 : 9).joined() {
                    // One of each family, protocol and service: none of them takes another's turn.
                    let attempts = trial.destinations.filter { $0.kind == kind }.map {
                        Trial.Attempt(source: trial.lab.client, destination: $0)
                    }
                    for (attempt, outcome) in zip(attempts, try trial.outcomes(of: attempts)) {
                        turns[trial.seat("everybody", at: attempt.destination), default: []]
                            .append(outcome.server ?? "\(outcome)")
                    }
                }
                for (seat, turns) in turns {
                    let isExact =
                        Set(turns.prefix(3)) == allServers && zip(turns, turns.dropFirst(3)).allSatisfy { $0 == $1 }
                    trial.check(isExact, "\(seat): \(turns)")
                }
            },
            schedulerTest(.roundRobin, "weights are shares of the turns") { trial in
                let clients = Array(repeating: trial.lab.client, count: 40)
                for weights in [[3, 1, 0], [2, 1, 1], [0, 5, 3]] as [[UInt16]] {
                    try trial.apply([web(.roundRobin, weights: weights)])
                    checkShares(trial, try counts(trial, of: clients), weights: weights, count: 40, isExact: true)
                }
            },
            schedulerTest(.roundRobin, "turns go on while other services change (semantics 64)") { trial in
                let clients = [trial.lab.client]
                var turns: [Seat: [String]] = [:]
                for others in [[], [2], [2, 3], [3], [], [4]] as [[Int]] {
                    try trial.apply([web(.roundRobin)] + others.map { web(.roundRobin, number: $0) })
                    for (seat, counts) in try counts(trial, of: clients) where seat.service.name == "web-1" {
                        turns[seat, default: []] += counts.keys
                    }
                }
                for (seat, turns) in turns {
                    trial.check(
                        Set(turns.prefix(3)) == allServers && turns.prefix(3) == turns.suffix(3), "\(seat): \(turns)")
                }
            },
        ]
        + [Scheduler.sourceHash, .maglev].flatMap { scheduler in
            [
                schedulerTest(scheduler, "a client's address decides, at all addresses of a service port") { trial in
                    try trial.apply([web(scheduler)])
                    let clients = try trial.lab.makeClients(24) + [trial.lab.nodeItself, trial.lab.pod]
                    let homes = try trial.homes(of: clients, at: trial.destinations)
                    trial.checkSpread(homes)
                    // A hash remembers nothing, so another process comes to the same.
                    try trial.system.removeAll(in: trial.lab.node)
                    try trial.apply([web(scheduler)])
                    trial.compare(try trial.homes(of: clients, at: trial.destinations), to: homes, "made again")
                },
                schedulerTest(scheduler, "weights are shares of the clients") { trial in
                    let clients = try trial.lab.makeClients(90)
                    for weights in [[2, 1, 0], [1, 1, 1]] as [[UInt16]] {
                        try trial.apply([web(scheduler, weights: weights)])
                        checkShares(trial, try counts(trial, of: clients), weights: weights, count: 90)
                    }
                },
            ]
        } + [
            schedulerTest(.maglev, "clients of endpoints that stay stay with them") { trial in
                let clients = try trial.lab.makeClients(90)
                try trial.apply([web(.maglev)])
                let before = try trial.homes(of: clients, at: trial.destinations, rounds: 1)
                try trial.apply([web(.maglev, weights: [1, 1, 0])])
                let after = try trial.homes(of: clients, at: trial.destinations, rounds: 1)
                let stayed = after.filter { before[$0.key] != ConformanceLab.server(.remote1, 8080) }
                let moved = stayed.filter { before[$0.key] != $0.value }
                trial.check(
                    !stayed.isEmpty && moved.count <= stayed.count / 10, "\(moved.count) of \(stayed.count) moved")
            }
        ]
}
