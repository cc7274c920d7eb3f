internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// A way that definitions may go. The end depends on the last state alone, however it is reached.
struct StateSequence: Sendable {
    let name: String
    let states: [DesiredState]

    init(_ name: String, _ states: [DesiredState]) {
        self.name = name
        self.states = states
    }
}

/// The ways to go through a sequence.
enum Expansion: String, CaseIterable {
    case asWritten = "as written"
    case reversed
    /// Only the last.
    case squashed
    /// From each state to the next service by service.
    case split
    /// With nothing between any two.
    case withEmpties = "with nothing between"

    func states(of sequence: StateSequence) -> [DesiredState] {
        switch self {
        case .asWritten: sequence.states
        case .reversed: sequence.states.reversed()
        case .squashed: Array(sequence.states.suffix(1))
        case .split: zip([DesiredState()] + sequence.states, sequence.states).flatMap(Self.steps)
        case .withEmpties:
            sequence.states.enumerated().flatMap { index, state in
                index == 0 ? [state] : [DesiredState([], node: state.node), state]
            }
        }
    }

    /// First what the node knows, then one service after another.
    private static func steps(from old: DesiredState, to new: DesiredState) -> [DesiredState] {
        var services = Dictionary(uniqueKeysWithValues: old.services.map { ($0.name, $0) })
        let wanted = Dictionary(uniqueKeysWithValues: new.services.map { ($0.name, $0) })
        var steps = old.node == new.node ? [] : [DesiredState(old.services, node: new.node)]
        for name in Set(services.keys).union(wanted.keys).sorted() where services[name] != wanted[name] {
            services[name] = wanted[name]
            steps.append(DesiredState(services.values.sorted { $0.name < $1.name }, node: new.node))
        }
        return steps
    }
}

extension StateSequence {
    private static let here = [Place.pod1.endpoints(), Place.pod2.endpoints()]
    private static let everywhere = here + [Place.remote1.endpoints(), Place.remote2.endpoints()]

    private static func web(_ endpoints: [[Endpoint]], _ change: (inout Service) -> Void = { _ in }) -> Service {
        .numbered(1, "web", endpoints: endpoints, change)
    }

    private static func other(_ change: (inout Service) -> Void = { _ in }) -> Service {
        .numbered(2, "other", endpoints: [Place.pod1.endpoints(), Place.remote1.endpoints()], change)
    }

    private static func ports(_ numbers: [UInt16], _ transport: TransportProtocol = .tcp) -> [ServicePort] {
        numbers.map {
            ServicePort(
                name: "p\($0)", transport: transport, port: $0, target: .number($0 % 2 == 0 ? 8080 : 9090),
                nodePort: 31_000 + $0)
        }
    }

    static let all: [StateSequence] = [
        StateSequence(
            "endpoints in every situation",
            PolicyMatrix.situations.map { situation in
                DesiredState(
                    [
                        web(situation.endpoints) {
                            $0.publishNotReadyAddresses = situation.publishNotReadyAddresses
                        },
                        .numbered(3, "local", endpoints: situation.endpoints) {
                            $0.internalTrafficPolicy = .local
                            $0.externalTrafficPolicy = .local
                            $0.publishNotReadyAddresses = situation.publishNotReadyAddresses
                        },
                    ], node: .conformance(podsAreKnown: [.ipv4, .ipv6]))
            }),
        StateSequence(
            "policies change",
            [(.cluster, .cluster), (.cluster, .local), (.local, .local), (.local, .cluster), (.cluster, .local)].map {
                (inner: TrafficPolicy, outer: TrafficPolicy) in
                DesiredState(
                    [
                        web(everywhere) { ($0.internalTrafficPolicy, $0.externalTrafficPolicy) = (inner, outer) },
                        .numbered(3, "far", endpoints: [Place.remote1.endpoints()]) {
                            ($0.internalTrafficPolicy, $0.externalTrafficPolicy) = (outer, inner)
                        },
                    ])
            }),
        StateSequence(
            "services up, down and up again",
            [[web(here)], [web(here), other()], [other()], [], [web(everywhere), other()], [other(), web([])]].map {
                DesiredState($0)
            }),
        StateSequence(
            "ports added, removed and moved",
            [
                ports([80]), ports([80, 443]), ports([443]), ports([443, 80, 53]) + ports([53], .udp),
                ports([53], .udp),
                ports([53]), ports([80, 443]),
            ].map { ports in DesiredState([web(here) { $0.ports = ports }, other()]) }),
        StateSequence(
            "numbers of endpoints",
            [0, 1, 4, 2, 3, 1].map { DesiredState([web(Array(everywhere.prefix($0))), other()]) }),
        StateSequence(
            "addresses go from one service to the other",
            [
                [web(here), other()],
                [web(here) { $0.externalIPs = [] }, other { $0.externalIPs += web([]).externalIPs }],
                [web(here) { $0.clusterIPs = other().clusterIPs }, other { $0.clusterIPs = web([]).clusterIPs }],
                [web(here) { $0.clusterIPs.removeFirst() }, other { $0.clusterIPs.removeLast() }],
                [
                    web(here) { $0.loadBalancerIPs = other().externalIPs },
                    other { $0.externalIPs = web([]).loadBalancerIPs },
                ],
            ].map { DesiredState($0) }),
        StateSequence(
            "the node's facts change",
            (PolicyMatrix.facts.map(\.node)
                + NodePortScenario.selections.prefix(5).map { selection in
                    var node = NodeFacts.conformance(podsAreKnown: [.ipv6])
                    node.nodePortAddresses = selection.blocks?.compactMap { CIDR($0) }
                    node.serviceCIDRs = ["10.96.0.0/16", "fd00:96::/64"].compactMap { CIDR($0) }
                    return node
                }).map { DesiredState([web(everywhere) { $0.externalTrafficPolicy = .local }, other()], node: $0) }),
        StateSequence(
            "source ranges open and close",
            [[], ["192.0.2.0/24"], ["192.0.2.100/32", "2001:db8::/64"], ["0.0.0.0/0"], [], ["198.51.100.0/24"]].map {
                (ranges: [String]) in
                DesiredState([web(here) { $0.loadBalancerSourceRanges = ranges.compactMap { CIDR($0) } }, other()])
            }),
        StateSequence(
            "an older claim comes and goes",
            [false, true, false, true].map { comes in
                let young = other {
                    $0.creationTimestamp = "2026-02-01T00:00:00Z"
                    $0.externalIPs = web([]).externalIPs
                }
                let old = web(here) { $0.creationTimestamp = "2026-01-01T00:00:00Z" }
                return DesiredState(comes ? [young, old] : [young])
            }),
        StateSequence(
            "hints come and go",
            [[], ["zone-a"], ["zone-b"], ["zone-a", "zone-b"], []].map { (zones: [String]) in
                DesiredState([web(here + [Place.remote2.endpoints { $0.zoneHints = zones }]), other()])
            }),
    ]
}

extension ConformanceTest {
    /// Every sequence in every way: the kernel ends in the state that a fresh one has, and packets agree.
    static let sequences: [ConformanceTest] = (StateSequence.all + StateSequence.choices).map { sequence in
        ConformanceTest("whatever came before: \(sequence.name)") { trial in
            // What a fresh kernel has, by the last state: several ways have the same one, and packets need be asked only
            // once about kernels that are in the same state.
            var fresh: [DesiredState: String] = [:]
            for expansion in Expansion.allCases {
                try trial.system.removeAll(in: trial.lab.node)
                let states = expansion.states(of: sequence.within(trial.system.abilities))
                for state in states { try trial.apply(state) }
                guard let last = states.last else { continue }
                let reached = try trial.system.stateFingerprint(in: trial.lab.node)
                let known = fresh[last]
                let expected = try known ?? fingerprint(of: last, trial)
                fresh[last] = expected
                trial.check(reached == expected, "\(expansion.rawValue): \(difference(reached, expected))")
                if known == nil { try trial.examine(thoroughly: false) }
            }
        }
    }

    private static func fingerprint(of state: DesiredState, _ trial: Trial) throws -> String {
        let fresh = try NetworkNamespace("fresh")
        var state = state
        // Who has to be told the node's addresses is told those of the real node.
        if trial.system.abilities.addressesAreLocal { state.node.addresses = trial.nodeAddresses }
        try trial.system.apply(state, in: fresh)
        return try trial.system.stateFingerprint(in: fresh)
    }

    /// The lines that only one of two texts has.
    private static func difference(_ reached: String, _ expected: String) -> String {
        let (left, right) = (reached.split(separator: "\n"), expected.split(separator: "\n"))
        return right.difference(from: left).prefix(6).map { change in
            switch change {
            case .insert(_, let line, _): "lacks \(line)"
            case .remove(_, let line, _): "has \(line)"
            }
        }.joined(separator: "\n")
    }
}
