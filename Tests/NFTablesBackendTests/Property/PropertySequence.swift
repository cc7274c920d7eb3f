import Dataplane
import DataplaneConformance
import DataplaneTestKit
import NFTables
import NFTablesBackend
import NetAddress
import PacketTrace
import ServiceModel
import ServicePlan

/// What one sequence of random definitions takes its kernel through, all of it following from the seed.
///
/// Each of several nodes begins with a backend that knows nothing of what is there, and goes on with the same one and
/// its tracker, as a node's agent does.
struct PropertySequence: Sendable {
    let seed: UInt64
    var nodes = 2
    var roundsPerNode = 3
    var services = 40
    var packets = 850

    struct Counts: Sendable {
        var definitions = 0
        var packets = 0
    }

    /// Runs in a namespace of its own; the first disagreement ends it.
    func run() throws -> (Counts, PropertyFailure?) {
        let namespace = try NetworkNamespace("property")
        return try namespace.run {
            var counts = Counts()
            let failure = try runHere(&counts)
            return (counts, failure)
        }
    }

    private func runHere(_ counts: inout Counts) throws -> PropertyFailure? {
        var random = SplitMix64(seed: seed)
        var services: [Service] = []
        for _ in 0..<nodes {
            let node = random.nodeFacts()
            services = random.successors(of: services, count: self.services)
            var plans = ServicePlans(services, node: node)
            let options = LayoutOptions(node: node, masqueradeBit: random.below(32))
            var reconciliation = Reconciliation(NFTablesBackend(options: options), plans: plans)
            try reconciliation.observe()
            for round in 0..<roundsPerNode {
                if round > 0 {
                    services = random.successors(of: services, count: self.services)
                    let next = ServicePlans(services, node: node)
                    Self.replace(plans, next, &reconciliation, &random)
                    plans = next
                }
                _ = try reconciliation.apply()
                counts.definitions += services.count
                let state = PropertyState(services: services, options: options)
                if let failure = try check(state, plans, &random, &counts) { return failure }
            }
            // Who knows nothing finds nothing to do.
            var fresh = Reconciliation(NFTablesBackend(options: options), plans: plans)
            try fresh.observe()
            let lines = NFTablesBackend.differences(in: fresh.state)
            if !lines.isEmpty {
                return PropertyFailure(
                    seed: seed, state: PropertyState(services: services, options: options),
                    differences: lines.map { "\($0)" })
            }
        }
        return nil
    }

    /// Service by service, as changes come.
    private static func replace(
        _ old: ServicePlans, _ new: ServicePlans, _ reconciliation: inout Reconciliation<NFTablesBackend>,
        _ random: inout SplitMix64
    ) {
        let before = Dictionary(uniqueKeysWithValues: old.services.map { ($0.name, $0) })
        let after = Dictionary(uniqueKeysWithValues: new.services.map { ($0.name, $0) })
        for name in Set(before.keys).union(after.keys).sorted().shuffled(using: &random)
        where before[name] != after[name] {
            let fragments = (
                before[name].map { reconciliation.backend.fragment(for: $0) },
                after[name].map { reconciliation.backend.fragment(for: $0) }
            )
            let comesFirst = random.chance(percent: 50)
            if comesFirst, let fragment = fragments.1 { reconciliation.state.want(fragment) }
            if let fragment = fragments.0 { reconciliation.state.unwant(fragment) }
            if !comesFirst, let fragment = fragments.1 { reconciliation.state.want(fragment) }
        }
    }

    private func check(
        _ state: PropertyState, _ plans: ServicePlans, _ random: inout SplitMix64, _ counts: inout Counts
    ) throws -> PropertyFailure? {
        let actual = try state.actualRuleset()
        let answers = state.answers(plans, actual: actual)
        let packets = RandomPackets(plans)
        for _ in 0..<self.packets {
            guard let packet = packets.packet(&random) else { continue }
            let limits: LimitAssumption = random.chance(percent: 12) ? .exceeded : .within
            counts.packets += 1
            guard !answers.answer(packet, limits).isUnanimous else { continue }
            let told = state.answers(plans, actual: actual, reports: true).answer(packet, limits)
            return PropertyFailure(seed: seed, state: state.shrunk(packet, limits), packet: packet, answer: told)
        }
        return nil
    }
}

/// Definitions and what they are planned for.
struct PropertyState: Sendable {
    var services: [Service]
    var options: LayoutOptions

    /// Our tables as the kernel of the calling thread's namespace has them.
    func actualRuleset() throws -> Ruleset {
        var backend = NFTablesBackend(options: options)
        return try backend.actualRuleset() ?? Ruleset(tables: [])
    }

    func answers(_ plans: ServicePlans, actual: Ruleset?, reports: Bool = false) -> PropertyAnswers {
        var builder = RulesetBuilder(options: options)
        for service in plans.services { builder.add(service) }
        return PropertyAnswers(
            reading: PlanReading(plans, node: options.node, view: NodeView(addresses: Set(RandomWorld.nodeAddresses))),
            desired: Tracer(builder.finished(), reports: reports),
            actual: actual.map { Tracer($0, reports: reports) })
    }

    /// Leaves out what does not matter, as long as the plan and its own rules disagree: a disagreement with the kernel
    /// alone depends on what was there before.
    func shrunk(_ packet: Packet, _ limits: LimitAssumption) -> PropertyState {
        func fails(_ state: PropertyState) -> Bool {
            let plans = ServicePlans(state.services, node: state.options.node)
            return !state.answers(plans, actual: nil).answer(packet, limits).isUnanimous
        }
        guard fails(self) else { return self }
        var state = self
        for index in services.indices.reversed() {
            var smaller = state
            smaller.services.remove(at: index)
            if fails(smaller) { state = smaller }
        }
        for index in state.services.indices {
            for endpoint in state.services[index].endpoints.indices.reversed() {
                var smaller = state
                smaller.services[index].endpoints.remove(at: endpoint)
                if fails(smaller) { state = smaller }
            }
        }
        return state
    }
}

/// Three who know the answer.
struct PropertyAnswers {
    let reading: PlanReading
    let desired: Tracer
    let actual: Tracer?

    func answer(_ packet: Packet, _ limits: LimitAssumption) -> PropertyAnswer {
        func path(_ tracer: Tracer) -> PacketPath { tracer.path(of: packet, on: reading.view, limits: limits) }
        let desired = path(desired)
        return PropertyAnswer(
            limits: limits, reading: reading.outcomes(of: packet, limits: limits),
            meetsLimit: reading.meetsLimit(packet), desired: desired, actual: actual.map(path))
    }
}

struct PropertyAnswer: Sendable {
    let limits: LimitAssumption
    let reading: PlanReading.Distribution
    let meetsLimit: Bool
    let desired: PacketPath
    let actual: PacketPath?

    var isUnanimous: Bool {
        let total = reading.values.reduce(.zero, +)
        return total == .one
            && ([desired] + (actual.map { [$0] } ?? [])).allSatisfy { path in
                path.outcomes.count == reading.count && path.metLimit == meetsLimit
                    && path.outcomes.allSatisfy { reading[$0.outcome] == $0.probability }
            }
    }
}
