internal import Dataplane
internal import NFTablesBackend
internal import NetAddress
internal import ServicePlan

/// Desired and observed state side by side: what `apply` changes and `diff` prints.
struct Reconciliation: ~Copyable {
    var backend: NFTablesBackend
    var state = DeltaTracker<ObjectKey, ObjectValue>()

    init(_ plans: Plans, _ options: LayoutOptions) {
        backend = NFTablesBackend(options: options)
        state.reserveCapacity(Self.expectedObjects(plans))
        state.want(backend.skeleton())
        for service in plans.services { state.want(backend.fragment(for: service)) }
    }

    /// Roughly how many kernel objects the plans need: room for them at once saves the table from growing.
    private static func expectedObjects(_ plans: Plans) -> Int {
        plans.services.reduce(256) { sum, service in
            service.frontends.reduce(sum) { $0 + $1.treatment.targets.count * 2 + 4 }
        }
    }

    mutating func observe() throws(BackendError) { try backend.observe(into: &state) }

    mutating func apply() throws(BackendError) -> ChangeSummary { try backend.apply(&state) }
}
