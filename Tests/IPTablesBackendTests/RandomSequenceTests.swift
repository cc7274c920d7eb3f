import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Random definitions, one after another: whatever came before, the kernel has what the dry run says, and nothing else.
///
/// Each of several nodes begins with a backend that must find out what is there, and goes on with the same one and its
/// tracker, as a node's agent does.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct RandomSequenceTests {
    @Test(arguments: 1...6 as ClosedRange<UInt64>) func endsInWhatADryRunSays(_ seed: UInt64) throws {
        let namespace = try NetworkNamespace("random")
        var random = SplitMix64(seed: seed)
        var services: [Service] = []
        for _ in 0..<2 {
            let first = Desired(services: [], node: random.nodeFacts(), masqueradeBit: random.below(32))
            let rounds = try (0..<3).map { _ in
                services = Self.successors(of: services, &random)
                var next = first
                next.services = services
                return (next, try Self.saved(next))
            }
            try namespace.run {
                var plans = rounds[0].0.plans
                var reconciliation = Reconciliation(IPTablesBackend(options: first.options), plans: plans)
                try reconciliation.observe()
                for (round, expected) in rounds {
                    Self.replace(plans, round.plans, &reconciliation)
                    plans = round.plans
                    _ = try reconciliation.apply()
                    #expect(try Stock.saved(in: namespace).sorted() == expected, "seed \(seed)")
                }
            }
            // Who knows nothing finds nothing to do.
            #expect(try rounds[2].0.differences(in: namespace) == [], "seed \(seed)")
        }
    }

    /// Of schedulers there is but one here.
    private static func successors(of services: [Service], _ random: inout SplitMix64) -> [Service] {
        random.successors(of: services, count: 25).map { service in
            var service = service
            service.scheduler = .random
            return service
        }
    }

    /// What stock tools make of the dry run.
    private static func saved(_ desired: Desired) throws -> [String] {
        let namespace = try NetworkNamespace("expected")
        try desired.load(in: namespace)
        return try Stock.saved(in: namespace).sorted()
    }

    private static func replace(
        _ old: ServicePlans, _ new: ServicePlans, _ reconciliation: inout Reconciliation<IPTablesBackend>
    ) {
        let before = Dictionary(uniqueKeysWithValues: old.services.map { ($0.name, $0) })
        let after = Dictionary(uniqueKeysWithValues: new.services.map { ($0.name, $0) })
        for name in Set(before.keys).union(after.keys).sorted() where before[name] != after[name] {
            if let plan = before[name] { reconciliation.state.unwant(reconciliation.backend.fragment(for: plan)) }
            if let plan = after[name] { reconciliation.state.want(reconciliation.backend.fragment(for: plan)) }
        }
    }
}
