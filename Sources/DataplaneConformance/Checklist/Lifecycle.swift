internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

extension ConformanceTest {
    private static let everywhere = [Place.pod1.endpoints(), Place.pod2.endpoints(), Place.remote1.endpoints()]
    private static let web = Service.numbered(1, "web", endpoints: everywhere)
    private static let other = Service.numbered(2, "other", endpoints: [Place.remote1.endpoints()])

    /// Through time: services that come and go, connections that stay, rules that somebody deletes.
    static let lifecycle: [ConformanceTest] = [
        ConformanceTest("services up, down and re-created") { trial in
            for services in [[web, other], [other], [web, other]] {
                try trial.apply(services)
                try trial.examine()
                // An address of the node's own is there until its last connection has ended, and refuses.
                if !services.contains(web), !trial.system.abilities.addressesAreLocal {
                    try trial.expectSilence(
                        web.clusterIPs + web.externalIPs + web.loadBalancerIPs, "a service that is down")
                }
            }
            try trial.system.removeAll(in: trial.lab.node)
            try trial.expectSilence(web.clusterIPs + other.externalIPs, "a service after everything was removed")
        },
        ConformanceTest(
            "agent restart: one without memory changes nothing, and connections stay", keepsConnections: true
        ) {
            trial in
            try trial.apply([web, other])
            let connections = try connections(trial, to: web.clusterIPs + other.externalIPs)
            let before = try trial.system.stateFingerprint(in: trial.lab.node)
            try trial.apply([web, other])
            let after = try trial.system.stateFingerprint(in: trial.lab.node)
            trial.check(before == after, "the second apply changed something")
            check(connections, trial)
            try trial.examine(thoroughly: false)
        },
        ConformanceTest(
            "established connections outlive their endpoint, and new ones are refused (semantics 28 and 40)",
            keepsConnections: true
        ) { trial in
            for policy in TrafficPolicy.allCases {
                var service = web
                service.externalTrafficPolicy = policy
                service.endpoints = Place.pod1.endpoints()
                try trial.apply([service])
                let connections = try connections(trial, to: service.clusterIPs + service.externalIPs)
                service.endpoints = []
                try trial.apply([service])
                try trial.examine()
                check(connections, trial)
                // Endpoints elsewhere alone: under policy Local new connections are dropped.
                service.endpoints = Place.remote1.endpoints()
                try trial.apply([service])
                try trial.examine()
                check(connections, trial)
            }
        },
        ConformanceTest(
            "who was connected before the address became a service's stays connected (semantics 28)",
            keepsConnections: true, for: { !$0.addressesAreLocal }
        ) { trial in
            let service = Service.numbered(1, "web", transports: [.tcp])
            let client = trial.lab.client.namespace
            for address in service.externalIPs {
                try client.add([InterfaceAddress(address, prefixLength: address.family.addressBits)], to: "lo")
            }
            let servers = try service.externalIPs.map {
                try EchoServer(in: client, address: $0, port: 80, name: "outside", mode: .keepOpen)
            }
            defer { for server in servers { server.stop() } }
            try trial.apply([])
            let connections = try service.externalIPs.flatMap { address in
                try [trial.lab.nodeItself, trial.lab.pod].map {
                    try LongConnection(from: $0.namespace, to: address, port: 80)
                }
            }
            let fates: [([Endpoint], Outcome)] = [([], .refused), (Place.remote1.endpoints(), .timedOut)]
            for (endpoints, fate) in fates {
                var service = service
                service.externalTrafficPolicy = .local
                service.endpoints = endpoints
                try trial.apply([service])
                check(connections, trial)
                let found = try trial.outcomes(
                    from: [trial.lab.pod], to: service.externalIPs,
                    patience: fate == .timedOut ? .milliseconds(200) : .seconds(5))
                for (_, address, outcome) in found {
                    trial.check(outcome == fate, "a new connection to \(address): \(outcome)")
                }
            }
        },
        ConformanceTest("rules that somebody deleted come back") { trial in
            try trial.apply([web, other])
            try trial.system.damage(in: trial.lab.node)
            let found = try trial.outcomes(
                from: [trial.lab.client], to: web.clusterIPs, patience: .milliseconds(200))
            for (_, _, outcome) in found {
                trial.check(outcome.server == nil, "the damage did nothing: \(outcome)")
            }
            let seen = try trial.system.differences(trial.state, in: trial.lab.node)
            trial.check(!seen.isEmpty, "the damage is not seen")
            try trial.apply([web, other])
            try trial.examine()
        },
    ]

    private static func connections(_ trial: Trial, to addresses: [IPAddress]) throws -> [LongConnection] {
        try addresses.flatMap { address in
            try [trial.lab.client, trial.lab.nodeItself, trial.lab.pod].map {
                try LongConnection(from: $0.namespace, to: address, port: 80)
            }
        }
    }

    static func check(_ connections: [LongConnection], _ trial: Trial) {
        for connection in connections {
            let answer = try? connection.exchange("still there")
            trial.check(answer == "still there", "a connection broke that began with \(connection.greeting)")
        }
    }

    /// The acceptance checklist.
    public static let checklist: [ConformanceTest] =
        basics + clients + endpoints + paths + lifecycle + affinity + draining + conntrack + schedulers + restrictions
}
