internal import NetAddress
internal import ServiceModel

extension StateSequence {
    private static let places = [Place.pod1, .pod2, .remote1]

    private static func web(
        _ weights: [UInt16] = [1, 1, 1], _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        let endpoints = zip(places, weights).map { place, weight in place.endpoints { $0.weight = weight } }
        return .numbered(1, "web", transports: [.tcp, .udp], endpoints: endpoints, change)
    }

    private static func other(_ change: (inout Service) -> Void = { _ in }) -> Service {
        .numbered(2, "other", endpoints: [Place.pod1.endpoints(), Place.remote2.endpoints()], change)
    }

    /// How endpoints are chosen, and who may come to them.
    static let choices: [StateSequence] = [
        StateSequence(
            "affinity is switched on and off",
            ([(nil, nil), (600, nil), (60, 600), (nil, 60), (600, 600)] as [(UInt32?, UInt32?)]).map { mine, others in
                DesiredState([
                    web {
                        $0.clientIPAffinitySeconds = mine
                        $0.externalTrafficPolicy = others == nil ? .cluster : .local
                    },
                    other { $0.clientIPAffinitySeconds = others },
                ])
            }),
        StateSequence(
            "endpoints are drained and come back",
            ([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0], [3, 1, 0], [2, 2, 2]] as [[UInt16]]).map { weights in
                DesiredState([web(weights), other { $0.clientIPAffinitySeconds = 600 }])
            }),
        StateSequence(
            "endpoints that remember clients are drained and come back",
            ([[1, 1, 1], [0, 1, 1], [0, 0, 0], [2, 1, 0]] as [[UInt16]]).map { weights in
                DesiredState([web(weights) { $0.clientIPAffinitySeconds = 600 }, other()])
            }),
        StateSequence(
            "schedulers change",
            [
                (.random, .random), (.roundRobin, .random), (.roundRobin, .roundRobin), (.maglev, .roundRobin),
                (.sourceHash, .maglev), (.random, .sourceHash), (.roundRobin, .maglev),
            ].map { (mine: Scheduler, others: Scheduler) in
                DesiredState([
                    web(mine == .random ? [1, 1, 1] : [2, 1, 1]) {
                        $0.scheduler = mine
                        $0.clientIPAffinitySeconds = others == .roundRobin ? 600 : nil
                    },
                    other {
                        $0.scheduler = others
                        $0.externalTrafficPolicy = .local
                    },
                ])
            }),
        StateSequence(
            "lists and limits come and go",
            [
                { _ in }, { $0.allowedSources = client }, { $0.deniedSources = client },
                { ($0.maxConnectionsPerSource, $0.deniedSources) = (50_000, client) },
                { ($0.maxConnectionsPerSource, $0.allowedSources) = (60_000, network) },
                { $0.newConnectionsPerSecond = RateLimit(perSecond: 10_000, burst: 10_000) },
                {
                    $0.newConnectionsPerSecond = RateLimit(perSecond: 20_000, burst: 20_000)
                    $0.clientIPAffinitySeconds = 600
                },
            ].map { (restrict: (inout Service) -> Void) in DesiredState([web(change: restrict), other()]) }),
        StateSequence(
            "limits of a service's connections come and go",
            ([nil, 100_000, 200_000, nil, 100_000] as [UInt32?]).map { limit in
                DesiredState([
                    web { $0.maxConnections = limit }, other { $0.maxConnections = limit.map { 300_000 - $0 } },
                ])
            }),
    ]

    private static let client = ["192.0.2.100/32", "2001:db8::100/128"].compactMap { CIDR($0) }
    private static let network = ["192.0.2.0/24", "10.244.1.0/24"].compactMap { CIDR($0) }

    private static func web(change: (inout Service) -> Void) -> Service { web([1, 1, 1], change) }

    /// Without the states that a backend cannot make.
    func within(_ abilities: Abilities) -> StateSequence {
        StateSequence(name, states.filter { abilities.suffice(for: $0.services) })
    }
}
