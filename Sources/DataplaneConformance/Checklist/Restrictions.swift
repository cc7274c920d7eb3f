internal import DataplaneTestKit
internal import Glibc
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// Who may use a service, at whatever address of it.
private enum SourceLists {
    private struct Case {
        let name: String
        var allowed: [String] = []
        var denied: [String] = []
        var ranges: [String] = []
    }

    private static let cases = [
        Case(name: "client-alone", allowed: ["192.0.2.100/32", "2001:db8::100/128"]),
        Case(name: "all-but-client", denied: ["192.0.2.100/32", "2001:db8::100/128"]),
        Case(
            name: "network-but-client", allowed: ["192.0.2.0/24", "2001:db8::/64"],
            denied: ["192.0.2.100/32", "2001:db8::100/128"]),
        Case(name: "denied-network", allowed: ["192.0.2.100/32"], denied: ["192.0.2.0/24", "2001:db8::/64"]),
        Case(name: "ipv4-alone", allowed: ["192.0.2.0/24"]),
        Case(name: "ipv6-alone", allowed: ["2001:db8::/64"]),
        Case(name: "denied-in-ipv4", denied: ["192.0.2.0/24", "10.244.1.2/32"]),
        Case(name: "pods-but-one", allowed: ["10.244.0.0/16", "fd00:244::/32"], denied: ["10.244.1.4/32"]),
        Case(
            name: "nested", allowed: ["192.0.2.96/27", "192.0.2.100/32", "10.244.1.0/24", "10.244.1.4/32"],
            denied: ["10.244.1.2/31", "10.244.1.3/32"]),
        Case(name: "ranges-too", allowed: ["192.0.2.0/24", "10.244.1.0/24"], ranges: ["192.0.2.100/32"]),
        Case(name: "ranges-but-denied", denied: ["192.0.2.100/32"], ranges: ["192.0.2.0/24", "2001:db8::/64"]),
    ]

    /// Every pair of lists under both external policies, and with endpoints elsewhere alone or none.
    static let services: [Service] = {
        let everywhere = [Place.pod1.endpoints(), Place.remote1.endpoints()]
        var services: [Service] = []
        for test in cases {
            for (policy, endpoints) in [
                (TrafficPolicy.cluster, everywhere), (.local, everywhere), (.local, [Place.remote1.endpoints()]),
                (.cluster, []),
            ] {
                services.append(
                    .numbered(
                        services.count, "\(test.name)-\(services.count)", transports: [.tcp, .udp], endpoints: endpoints
                    ) {
                        $0.externalTrafficPolicy = policy
                        $0.allowedSources = test.allowed.compactMap { CIDR($0) }
                        $0.deniedSources = test.denied.compactMap { CIDR($0) }
                        $0.loadBalancerSourceRanges = test.ranges.compactMap { CIDR($0) }
                    })
            }
        }
        return services
    }()
}

extension ConformanceTest {
    private static func restricted(
        _ number: Int = 1, _ transports: [TransportProtocol] = [.tcp], _ change: (inout Service) -> Void
    ) -> Service {
        .numbered(number, "web", transports: transports, endpoints: [Place.pod1.endpoints()], change)
    }

    private static func limitTest(
        _ restriction: Restriction, _ name: String, _ body: @escaping @Sendable (Trial) throws -> Void
    ) -> ConformanceTest {
        ConformanceTest(
            name, keepsConnections: true, for: { $0.restrictions.contains(restriction) }, body)
    }

    /// One connection to each kind of address.
    private static func hold(
        _ trial: Trial, from source: Source, _ family: IPFamily
    ) throws -> [LongConnection] {
        try trial.destinations.filter { $0.address.family == family }.map {
            try LongConnection(
                from: source.namespace, to: $0.address, port: $0.port, source: source.boundAddress(family),
                timeout: .seconds(10))
        }
    }

    /// One more at each kind of address is not let in.
    private static func expectFull(_ trial: Trial, for source: Source, _ family: IPFamily) throws {
        let attempts = trial.destinations.filter { $0.address.family == family }.map {
            Trial.Attempt(source: source, destination: $0, patience: .milliseconds(200))
        }
        for (attempt, outcome) in zip(attempts, try trial.outcomes(of: attempts)) {
            trial.check(outcome == .timedOut, "\(attempt.destination) from \(source.name): \(outcome)")
        }
    }

    /// Room that was made is noticed after a while.
    private static func expectRoom(_ trial: Trial, for source: Source, _ family: IPFamily) throws {
        let attempts = trial.destinations.filter { $0.address.family == family }.prefix(1).map {
            Trial.Attempt(source: source, destination: $0)
        }
        let outcomes = try trial.outcomes(of: attempts)
        trial.check(outcomes.allSatisfy { $0.server != nil }, "no room for \(source.name): \(outcomes)")
    }

    /// Lists of sources, and limits.
    static let restrictions: [ConformanceTest] = [
        limitTest(.sourceLists, "allowed and denied sources, at every address") { trial in
            try trial.apply(SourceLists.services, node: .conformance(podsAreKnown: [.ipv4, .ipv6]))
            try trial.examine()
        },
        limitTest(.sourceLists, "lists that close keep connections, and lists that open let everybody in") { trial in
            try trial.apply([restricted { _ in }])
            let connections = try IPFamily.allCases.flatMap { try hold(trial, from: trial.lab.client, $0) }
            let networks = ["192.0.2.0/24", "2001:db8::/64"].compactMap { CIDR($0) }
            let changes: [(inout Service) -> Void] = [
                { $0.deniedSources = networks }, { $0.allowedSources = ["10.244.0.0/16"].compactMap { CIDR($0) } },
                { $0.allowedSources = networks }, { _ in },
            ]
            for change in changes {
                try trial.apply([restricted(1, [.tcp], change)])
                try trial.examine()
                check(connections, trial)
            }
        },
        limitTest(.maxConnections, "connections to all addresses of a service count together") { trial in
            try trial.apply([restricted { $0.maxConnections = 4 }])
            for family in IPFamily.allCases {
                // Four kinds of address.
                let connections = try hold(trial, from: trial.lab.client, family)
                trial.check(connections.count == 4, "\(connections.count) kinds of address")
                for source in [trial.lab.client, trial.lab.pod] { try expectFull(trial, for: source, family) }
                check(connections, trial)
                connections.first?.close()
                try expectRoom(trial, for: trial.lab.pod, family)
            }
        },
        limitTest(.maxConnections, "a limit of connections is there, however long nobody was connected") { trial in
            try trial.apply([restricted { $0.maxConnections = 4 }])
            // Kernels look after such things about once a second.
            usleep(2_500_000)
            for family in IPFamily.allCases {
                let connections = try hold(trial, from: trial.lab.client, family)
                try expectFull(trial, for: trial.lab.pod, family)
                check(connections, trial)
            }
            let left = try trial.system.differences(trial.state, in: trial.lab.node)
            trial.check(left.isEmpty, "differences: \(left)")
        },
        limitTest(.maxConnectionsPerSource, "connections of one source to all addresses of a service count together") {
            trial in
            try trial.apply([restricted { $0.maxConnectionsPerSource = 4 }])
            let clients = try trial.lab.makeClients(2)
            for family in IPFamily.allCases {
                var all: [LongConnection] = []
                for client in clients {
                    let connections = try hold(trial, from: client, family)
                    try expectFull(trial, for: client, family)
                    all += connections
                }
                check(all, trial)
                all.first?.close()
                try expectRoom(trial, for: clients[0], family)
                try expectFull(trial, for: clients[1], family)
            }
            // A higher limit holds at once, also for who was counted under the lower one.
            try trial.apply([restricted { $0.maxConnectionsPerSource = 30 }])
            for family in IPFamily.allCases { try expectRoom(trial, for: clients[1], family) }
        },
        limitTest(.newConnectionsPerSecond, "a burst of new connections of one source is let in, and then the rate") {
            trial in
            func services(_ limit: RateLimit) -> [Service] {
                [TransportProtocol.tcp, .udp].enumerated().map { number, transport in
                    var service = restricted(number, [transport]) { $0.newConnectionsPerSecond = limit }
                    service.name = ServiceName(namespace: "conformance", name: "web-\(transport)")
                    return service
                }
            }
            try trial.apply(services(RateLimit(perSecond: 1, burst: 6)))
            for client in try trial.lab.makeClients(2) {
                let start = ContinuousClock.now
                let attempts = trial.destinations.flatMap { destination in
                    (0..<6).map { _ in
                        Trial.Attempt(source: client, destination: destination, patience: .seconds(2))
                    }
                }
                let outcomes = try trial.outcomes(of: attempts)
                // One more for each second that it took, begun or ended.
                let most = 6 + 2 + Int((ContinuousClock.now - start).components.seconds)
                let found = Dictionary(grouping: zip(attempts, outcomes)) { attempt, _ in
                    "\(attempt.destination.service.name.name) in \(attempt.destination.address.family)"
                }
                for (name, found) in found {
                    let count = found.count { $0.1.server != nil }
                    trial.check((6...most).contains(count), "\(name) from \(client.name): \(count) of \(found.count)")
                }
            }
            try trial.apply(services(RateLimit(perSecond: 1000, burst: 1000)))
            try trial.examine()
        },
    ]
}
