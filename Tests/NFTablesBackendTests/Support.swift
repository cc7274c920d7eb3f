import Dataplane
import DataplaneConformance
import DataplaneTestKit
import NFTables
import NFTablesBackend
import ServiceModel
import ServicePlan

/// Services on their way to the kernel.
typealias Desired = DesiredServices<NFTablesBackend>

extension DesiredServices<NFTablesBackend> {
    func tracker() -> DeltaTracker<ObjectKey, ObjectValue> {
        let backend = NFTablesBackend(options: options)
        let planner = ServicePlanner(node: node)
        var state = DeltaTracker<ObjectKey, ObjectValue>()
        state.want(backend.skeleton())
        for service in services { state.want(backend.fragment(for: planner.plan(service))) }
        return state
    }

    /// Makes the namespace's kernel match, and ends UDP flows that lead to endpoints which are gone; returns how many.
    @discardableResult
    func applyAndEndFlows(in namespace: NetworkNamespace) throws -> Int {
        let changes = try apply(in: namespace)
        return try namespace.run { try FlowCleanup.run(after: changes.udp, ServicePlans(services, node: node)) }
    }

    var ruleset: Ruleset {
        var builder = RulesetBuilder(options: options)
        let planner = ServicePlanner(node: node)
        for service in services { builder.add(planner.plan(service)) }
        return builder.finished()
    }

    /// The dry run's script.
    var script: String {
        var text: [UInt8] = []
        ruleset.writeScript(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// The dry run's JSON.
    var json: String {
        var text: [UInt8] = []
        ruleset.writeJSON(to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}
