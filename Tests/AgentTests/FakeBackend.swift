import Dataplane
import ServiceModel
import ServicePlan

/// A kernel that holds text by name: one object for each frontend. It refuses what it is told to, and whole transactions
/// with it.
struct FakeBackend: DataplaneBackend, ~Copyable {
    /// What the kernel has, and how it behaves; shared with the test.
    final class Kernel {
        var objects: [String: String] = [:]
        /// Objects whose names hold one of these are refused.
        var refuses: Set<String> = []
        /// How many calls go through before failures begin.
        var passes = 0
        /// How many calls from then on fail for another reason.
        var failures = 0
        var calls = 0
        var transactions = 0
        var observations = 0
        /// How few objects there ever were after a transaction.
        var fewestObjects = Int.max
        /// Objects written by the last transaction.
        var lastWrites = 0
    }

    static var name: String { "fake" }
    let kernel: Kernel

    func skeleton() -> Fragment<String, String> { Fragment([("skeleton", "")]) }

    func fragment(for service: PlannedService) -> Fragment<String, String> {
        Fragment(
            service.frontends.map { frontend in
                ("\(frontend.reference)", "\(service.name) \(frontend.treatment.targets.map { "\($0.address)" })")
            })
    }

    mutating func observe(into state: inout DeltaTracker<String, String>) throws(BackendError) {
        try fail()
        kernel.observations += 1
        state.beginObservation()
        for (key, value) in kernel.objects { state.observe(key, value) }
    }

    mutating func apply(_ state: inout DeltaTracker<String, String>) throws(BackendError) -> ChangeSummary {
        try fail()
        var summary = ChangeSummary()
        var objects = kernel.objects
        var refusal: BackendError?
        state.forEachDifference { key, desired, observed in
            if kernel.refuses.contains(where: { (desired ?? "").contains($0) }) {
                refusal = BackendError(.refused, "the kernel refused \(key)")
            }
            objects[key] = desired
            if desired == nil {
                summary.removed += 1
            } else if observed == nil {
                summary.added += 1
            } else {
                summary.changed += 1
            }
        }
        if let refusal { throw refusal }
        kernel.objects = objects
        kernel.fewestObjects = min(kernel.fewestObjects, objects.count)
        kernel.transactions += summary.isEmpty ? 0 : 1
        kernel.lastWrites = summary.added + summary.changed + summary.removed
        state.settle()
        return summary
    }

    mutating func removeAll() throws(BackendError) -> ChangeSummary {
        defer { kernel.objects = [:] }
        return ChangeSummary(removed: kernel.objects.count)
    }

    private func fail() throws(BackendError) {
        kernel.calls += 1
        guard kernel.failures > 0 else { return }
        guard kernel.passes == 0 else { return kernel.passes -= 1 }
        kernel.failures -= 1
        throw BackendError(.unsupported, "not now")
    }
}
