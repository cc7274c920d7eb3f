public import Dataplane
public import ServiceModel
public import ServicePlan

/// Holds what the definitions want and what the kernel has, and makes the second match the first, with work in proportion
/// to what changed.
///
/// It does what it is told when it is told, and knows no time: ``SyncSchedule`` says when.
public struct ReconcileEngine<Backend: DataplaneBackend & ~Copyable>: ~Copyable {
    public var backend: Backend
    private var plans: LivePlans
    private var state = DeltaTracker<Backend.Key, Backend.Value>()
    /// What the tracker holds of each service: its plan, or an older one while the kernel refuses that.
    private var lowered: [ServiceName: PlannedService] = [:]
    /// What the tracker held of the services that changed since the kernel last matched.
    private var unsettled: [ServiceName: PlannedService?] = [:]
    /// The endpoints that UDP flows may lead to.
    private var serving: ServingEndpoints = [:]
    /// Whether the kernel has once been as all definitions of a time wanted it.
    private var hasMatched = false
    /// UDP flows to look at, kept until that has succeeded.
    private var udpChanges = UDPChanges()
    /// Services that the kernel refuses as they are defined now, and why. It keeps what they were before.
    public private(set) var refused: [ServiceName: BackendError] = [:]
    /// Called before each transaction while refused services are looked for, which may take long.
    public var onProgress: @Sendable () -> Void = {}

    public init(_ backend: consuming Backend, node: NodeFacts) {
        self.backend = backend
        plans = LivePlans(node: node)
        state.want(self.backend.skeleton())
    }

    public var serviceCount: Int { plans.serviceCount }
    public var frontendCount: Int { plans.frontendCount }
    /// The services as they were taken in, in no order.
    public var services: some Collection<Service> { plans.services }
    /// Frontends that services do not get, because older ones have them.
    public var conflicts: [FrontendClaims.Conflict] { plans.conflicts }

    // MARK: - Definitions

    /// Takes changed services in, nil for those that are gone. The kernel is not touched.
    public mutating func take(_ changes: [ServiceName: Service?]) {
        replace(plans.update(changes).map { ($0.name, $0.new) })
    }

    /// The node is another one now, for example because it got an address.
    public mutating func move(to node: NodeFacts) {
        replace(plans.move(to: node).map { ($0.name, $0.new) })
    }

    /// Makes the tracker hold other plans. An object that passes from one service to another has two users in between.
    private mutating func replace(_ replacements: [(name: ServiceName, plan: PlannedService?)]) {
        for (name, plan) in replacements {
            let old = lowered.removeValue(forKey: name)
            if unsettled[name] == nil { unsettled[name] = .some(old) }
            backend.exchange(old, for: plan, in: &state)
            for frontend in old?.frontends ?? [] { if let key = UDPFrontend(frontend) { serving[key] = nil } }
        }
        for case (let name, let plan?) in replacements {
            lowered[name] = plan
            for frontend in plan.frontends {
                guard let key = UDPFrontend(frontend) else { continue }
                serving[key] = Set(frontend.servingEndpoints.map { SocketEndpoint(address: $0.address, port: $0.port) })
            }
        }
    }

    // MARK: - The kernel

    /// Makes the kernel match, after a look at all that it has if `isFull`. A service that the kernel refuses keeps what
    /// it had, and all others go on.
    ///
    /// - Throws: if nothing could be done at all. Then the next try must be a full one.
    public mutating func synchronize(isFull: Bool) throws(BackendError) -> SyncReport {
        var report = SyncReport()
        if isFull {
            retryRefused()
            udpChanges.areUnknown = true
            try observe(&report)
        }
        do {
            try apply(&report)
            noteSettled()
            hasMatched = true
        } catch {
            guard error.concernsServices, !unsettled.isEmpty else { throw error }
            try isolate(into: &report)
        }
        udpChanges.merge(report.summary.udp)
        if !udpChanges.isEmpty {
            let start = ContinuousClock.now
            do {
                report.endedFlows = try FlowCleanup.run(after: udpChanges, serving)
                udpChanges = UDPChanges()
            } catch {
                // The rules stand all the same.
                report.flowProblem = error
            }
            report.phases[.flows] = .now - start
        }
        report.refused = refused
        return report
    }

    /// Looks at what the backend has left in the kernel, and finishes what can be finished now.
    public mutating func attend() throws(BackendError) { try backend.attend(to: &state) }

    private mutating func observe(_ report: inout SyncReport) throws(BackendError) {
        let start = ContinuousClock.now
        defer { report.phases[.observe, default: .zero] += .now - start }
        try backend.observe(into: &state)
    }

    private mutating func apply(_ report: inout SyncReport) throws(BackendError) {
        let start = ContinuousClock.now
        let before = backend.transactionTime
        defer {
            let kernel = backend.transactionTime - before
            if kernel > .zero { report.phases[.transaction, default: .zero] += kernel }
            report.phases[.compare, default: .zero] += .now - start - kernel
        }
        report.add(try backend.apply(&state))
    }

    private mutating func noteSettled() {
        for name in unsettled.keys { refused[name] = nil }
        unsettled = [:]
    }

    /// What was refused may be possible now.
    private mutating func retryRefused() {
        replace(refused.keys.sorted().map { ($0, plans[$0]) })
    }

    /// Something of what changed is refused, and with it everything: goes back, and then takes the services in parts.
    ///
    /// A program that has just been started does not know what there was before. It must not take all of it away to find
    /// out who is to blame: what is there stays until that is known.
    private mutating func isolate(into report: inout SyncReport) throws(BackendError) {
        let suspects = unsettled
        state.keepsSurplus = !hasMatched
        defer { state.keepsSurplus = false }
        do {
            replace(suspects.keys.sorted().map { ($0, suspects[$0] ?? nil) })
            // If even what was there before is refused, no service is to blame.
            try observe(&report)
            try apply(&report)
            unsettled = [:]
            // All at once were refused just now.
            let names = suspects.keys.sorted()
            let half = names.count / 2
            for part in [names[..<half], names[half...]] { try settle(part, before: suspects, into: &report) }
            guard state.keepsSurplus else { return }
            state.keepsSurplus = false
            try observe(&report)
            try apply(&report)
            hasMatched = true
        } catch {
            // What was not carried out is wanted still.
            replace(suspects.keys.sorted().map { ($0, plans[$0]) })
            throw error
        }
    }

    /// Carries out what some services want, and finds those that are refused by halving: one among thousands costs a few
    /// transactions, not thousands.
    private mutating func settle(
        _ names: ArraySlice<ServiceName>, before: [ServiceName: PlannedService?], into report: inout SyncReport
    ) throws(BackendError) {
        guard let first = names.first else { return }
        onProgress()
        replace(names.map { ($0, plans[$0]) })
        do {
            try apply(&report)
            noteSettled()
        } catch {
            guard error.concernsServices else { throw error }
            replace(names.map { ($0, before[$0] ?? nil) })
            if !Backend.isAtomic {
                try observe(&report)
                try apply(&report)
            }
            unsettled = [:]
            guard names.count > 1 else { return refused[first] = error }
            let half = names.startIndex + names.count / 2
            try settle(names[..<half], before: before, into: &report)
            try settle(names[half...], before: before, into: &report)
        }
    }
}

/// What one synchronization did.
public struct SyncReport: Sendable {
    public var summary = ChangeSummary()
    /// UDP flows that led to endpoints which are gone.
    public var endedFlows = 0
    /// Why they could not be ended; they are looked for again the next time.
    public var flowProblem: BackendError?
    /// Services that the kernel refuses, all that there are now.
    public var refused: [ServiceName: BackendError] = [:]
    /// How long each part took; parts that were not needed are missing.
    public var phases: [SyncPhase: Duration] = [:]

    mutating func add(_ other: ChangeSummary) {
        summary.added += other.added
        summary.changed += other.changed
        summary.removed += other.removed
        summary.udp.merge(other.udp)
    }
}

/// The parts of the way from a definition to the kernel. The raw value is a label of metrics.
public enum SyncPhase: String, Hashable, Sendable, CaseIterable {
    /// Bytes to definitions.
    case decode
    /// Definitions to plans, and plans to what the kernel should have.
    case plan
    /// Reading what the kernel has.
    case observe
    /// The difference, and its form for the kernel.
    case compare
    /// The kernel carries it out.
    case transaction
    /// Ending UDP flows whose endpoint is gone.
    case flows
}

extension BackendError {
    /// Whether it may be one service alone that asks for what cannot be had.
    fileprivate var concernsServices: Bool { kind == .refused || kind == .unsupported }
}
