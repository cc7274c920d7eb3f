public import ServicePlan

/// What should be and what is, side by side, for one backend: the whole way from plans to kernel.
public struct Reconciliation<Backend: DataplaneBackend & ~Copyable>: ~Copyable {
    public var backend: Backend
    public var state = DeltaTracker<Backend.Key, Backend.Value>()

    /// Lowers the plans. The kernel is not touched.
    @inlinable
    public init(_ backend: consuming Backend, plans: ServicePlans) {
        self.backend = backend
        state.reserveCapacity(Self.expectedObjects(plans))
        state.want(self.backend.skeleton())
        for service in plans.services { state.want(self.backend.fragment(for: service)) }
    }

    /// Roughly how many kernel objects the plans need: room for them at once saves the table from growing.
    @inlinable
    static func expectedObjects(_ plans: ServicePlans) -> Int {
        plans.services.reduce(256) { $0 + Backend.expectedObjects(of: $1) }
    }

    /// Learns what the kernel has.
    @inlinable
    public mutating func observe() throws(BackendError) { try backend.observe(into: &state) }

    /// Makes the kernel match.
    @inlinable
    public mutating func apply() throws(BackendError) -> ChangeSummary { try backend.apply(&state) }
}
