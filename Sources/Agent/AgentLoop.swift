public import Dataplane
internal import Glibc
internal import NetAddress
public import ServiceModel
public import ServicePlan
internal import ServiceSource

/// What a loop is told when it is made.
public struct LoopSetup: Sendable {
    public var node = NodeFacts()
    public var schedule = SyncSchedule.Settings()
    /// The names of the sources that leave word in the inbox, by precedence, which is how they are numbered there;
    /// nothing is written to the kernel before each has said that it is complete.
    public var sources: [String] = []
    /// Why the backend cannot serve a service; nil if it can.
    public var refusal: @Sendable (Service, NodeFacts) -> String? = { _, _ in nil }
    /// Is asked when every source is complete whether the kernel may be written to, and again at each change until it says
    /// so: with the services that are held back, since the backend refuses them.
    public var mayBegin: @Sendable (_ heldBack: [Service], NodeFacts) -> Bool = { _, _ in true }
    /// Is called when the first state stands in the kernel, and after full comparisons until it returns true.
    public var whenInPlace: @Sendable () -> Bool = { true }
    /// How often the loop says that it is alive, even if nothing happens; nil for never.
    public var heartbeat: Duration?

    public init() {}
}

/// The node agent's loop: waits until something happens, and brings the kernel up to date. It works on the thread that
/// runs it, since a network namespace belongs to a thread.
public struct AgentLoop<Backend: DataplaneBackend & ~Copyable>: ~Copyable {
    public var engine: ReconcileEngine<Backend>
    private var schedule: SyncSchedule
    private var node: NodeFacts
    /// As ``node`` was given: without what sources say of it.
    private let givenNode: NodeFacts
    /// What the sources say of this node; nil if they say nothing.
    private var clusterNode: ClusterNode?
    private var sources: MergedSources
    private var admission: Admission
    private var healthChecks: HealthChecks
    private let heartbeat: Duration?
    /// Nil once it has returned true.
    private var mayBegin: (@Sendable ([Service], NodeFacts) -> Bool)?
    /// Nil once it has returned true.
    private var whenInPlace: (@Sendable () -> Bool)?
    /// How long definitions and plans took that were made since the kernel was last brought up to date.
    private var (decoding, planning) = (Duration.zero, Duration.zero)
    private let inbox: Inbox
    private let observer: any AgentObserver
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var watched: Int32?
    private var isStopping = false
    private var untoldChanges = 0
    /// Whether the observer does not know yet what the sources said last.
    private var hasUntoldNews = false
    /// An earlier loop may have left others behind, so that the first ones are news even if there are none.
    private var areHealthChecksNew = true
    /// When to look at what the backend has left in the kernel.
    private var attentionDue: SyncSchedule.Instant?
    private var healthCheckDisputes: [SourceFinding] = []
    /// What sources found, and how they stand all together, when one of them spoke last.
    private var (findings, state): ([SourceFinding], SourceState) = ([], .loading(nil))

    /// - Parameter observer: is told what happens, on the loop's thread.
    public init(_ backend: consuming Backend, setup: LoopSetup, inbox: Inbox, observer: any AgentObserver) {
        engine = ReconcileEngine(backend, node: setup.node)
        node = setup.node
        givenNode = setup.node
        var settings = setup.schedule
        if let longest = Backend.longestTrust { settings.resyncPeriod = min(settings.resyncPeriod, longest) }
        schedule = SyncSchedule(settings)
        sources = MergedSources(names: setup.sources)
        admission = Admission(setup.refusal)
        healthChecks = HealthChecks(nodeName: setup.node.nodeName)
        heartbeat = setup.heartbeat
        mayBegin = setup.mayBegin
        whenInPlace = setup.whenInPlace
        self.inbox = inbox
        self.observer = observer
        start = clock.now
        engine.onProgress = { observer.isAlive() }
    }

    /// Runs until it is told to stop.
    ///
    /// - Throws: if the kernel cannot be listened to at all: no privilege, no nf_tables.
    public mutating func run() throws(BackendError) {
        watched = try engine.backend.startWatching()
        while !isStopping {
            observer.isAlive()
            let step = schedule.next(at: now)
            if case .synchronize(let isFull) = step {
                synchronize(isFull: isFull)
            } else {
                tellNews()
                wait(for: step)
            }
            hear()
            attend()
        }
        tellNews()
    }

    private var now: SyncSchedule.Instant { clock.now - start }

    // MARK: - Waiting

    private func wait(for step: SyncSchedule.Step) {
        var entries = [pollfd(fd: inbox.descriptor, events: Int16(POLLIN), revents: 0)]
        if let watched { entries.append(pollfd(fd: watched, events: Int16(POLLIN), revents: 0)) }
        var patience = heartbeat
        if case .wait(let until) = step { patience = min(patience ?? .seconds(1 << 20), max(.zero, until - now)) }
        if let attentionDue { patience = min(patience ?? .seconds(1 << 20), max(.zero, attentionDue - now)) }
        var milliseconds: Int32 = -1
        if let (seconds, attoseconds) = patience?.components {
            milliseconds = Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
        }
        poll(&entries, nfds_t(entries.count), milliseconds)
    }

    // MARK: - Listening

    private mutating func hear() {
        let (updates, orders, addresses) = inbox.take()
        for (source, update) in updates { take(update, from: source) }
        if let addresses { take(addresses) }
        for order in orders {
            switch order {
            case .stop: isStopping = true
            case .compare: schedule.kernelChanged()
            }
        }
        do {
            let changes = try engine.backend.heardChanges()
            guard !changes.isEmpty else { return }
            observer.kernelWasChanged(by: changes)
            schedule.kernelChanged()
            tellPending()
        } catch {
            observer.synchronizationFailed(error, failures: schedule.failureCount)
            schedule.kernelChanged()
        }
    }

    private mutating func take(_ update: SourceUpdate, from source: Int) {
        let merged = sources.receive(update, from: source)
        decoding += update.decoding
        if merged.isComplete { takeNode() }
        let changes = admission.admit(merged.changes, on: node)
        if !changes.isEmpty {
            plan { $0.take(changes) }
            schedule.definitionsChanged()
            areHealthChecksNew = healthChecks.update(changes) || areHealthChecksNew
            untoldChanges += changes.count
        }
        beginIfPossible()
        tellPending()
        (findings, state) = (merged.findings, merged.state)
        tellSources()
    }

    private mutating func tellSources() {
        // Half of them would close ports that the other half has.
        if sources.isComplete, areHealthChecksNew {
            areHealthChecksNew = false
            observer.healthChecksChanged(healthChecks.checks)
            healthCheckDisputes = healthChecks.findings(now: .now)
        }
        hasUntoldNews = true
    }

    private mutating func tellNews() {
        guard hasUntoldNews else { return }
        hasUntoldNews = false
        observer.sourcesSpoke(
            SourceNews(
                findings: findings + healthCheckDisputes, unfit: admission.reasons, state: state,
                states: zip(sources.names, sources.states).map { ($0, $1) }, node: clusterNode))
    }

    /// Looks at what the sources say of this node. One that was about to go and is not there any more is gone, and does
    /// not come back because nobody speaks of it.
    private mutating func takeNode() {
        let new = givenNode.nodeName.flatMap { sources.node(named: $0) }
        guard new != clusterNode, new != nil || clusterNode?.deletion == nil else { return }
        clusterNode = new
        var moved = node
        moved.zone = givenNode.located(by: new).zone
        move(to: moved)
    }

    private mutating func take(_ addresses: Set<IPAddress>) {
        var moved = node
        moved.addresses = addresses
        let isOther = move(to: moved)
        beginIfPossible()
        tellPending()
        if isOther { tellSources() }
    }

    private mutating func beginIfPossible() {
        guard sources.isComplete else { return }
        if let mayBegin, !mayBegin(admission.heldBack, node) { return }
        mayBegin = nil
        schedule.sourcesAreComplete()
    }

    /// - Returns: whether it makes services fit, or unfit.
    @discardableResult
    private mutating func move(to node: NodeFacts) -> Bool {
        guard node != self.node else { return false }
        self.node = node
        let changes = admission.readmit(engine.services, on: node)
        plan {
            $0.move(to: node)
            if !changes.isEmpty { $0.take(changes) }
        }
        areHealthChecksNew = healthChecks.update(changes) || areHealthChecksNew
        untoldChanges += changes.count
        schedule.definitionsChanged()
        return !changes.isEmpty
    }

    private mutating func tellPending() {
        guard schedule.isPending else { return }
        observer.synchronizationIsPending(changedServices: untoldChanges)
        untoldChanges = 0
    }

    private mutating func plan(_ body: (inout ReconcileEngine<Backend>) -> Void) {
        let start = clock.now
        body(&engine)
        planning += clock.now - start
    }

    // MARK: - The kernel

    /// Looks now and then at what the backend has left in the kernel.
    private mutating func attend() {
        guard let period = engine.backend.attentionPeriod else { return attentionDue = nil }
        guard let due = attentionDue else { return attentionDue = now + period }
        guard due <= now else { return }
        attentionDue = now + period
        do {
            try engine.attend()
        } catch {
            observer.synchronizationFailed(error, failures: schedule.failureCount)
            schedule.kernelChanged()
        }
    }

    private mutating func synchronize(isFull: Bool) {
        schedule.began(isFull: isFull)
        // A change is carried out sooner than told of. A look at everything takes its time.
        if isFull { tellNews() }
        let begin = clock.now
        do {
            var report = try engine.synchronize(isFull: isFull)
            let took = clock.now - begin
            tellNews()
            schedule.succeeded(at: now, isFull: isFull, took: took, jitter: Double.random(in: 0..<1))
            if decoding > .zero { report.phases[.decode] = decoding }
            if planning > .zero { report.phases[.plan] = planning }
            (decoding, planning) = (.zero, .zero)
            observer.synchronized(
                report, isFull: isFull, took: took,
                engine: EngineCounts(
                    services: engine.serviceCount, frontends: engine.frontendCount, conflicts: engine.conflicts))
            if isFull, let whenInPlace, whenInPlace() { self.whenInPlace = nil }
            if let problem = report.flowProblem {
                schedule.failed(at: now, jitter: Double.random(in: 0..<1))
                observer.synchronizationFailed(problem, failures: schedule.failureCount)
            }
        } catch {
            tellNews()
            schedule.failed(at: now, jitter: Double.random(in: 0..<1))
            observer.synchronizationFailed(error, failures: schedule.failureCount)
        }
    }
}
