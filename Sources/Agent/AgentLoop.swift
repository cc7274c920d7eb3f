public import Dataplane
internal import Glibc
internal import ServiceModel
public import ServicePlan
public import ServiceSource

/// The node agent's loop: waits until something happens, and brings the kernel up to date. It works on the thread that
/// runs it, since a network namespace belongs to a thread.
public struct AgentLoop<Backend: DataplaneBackend & ~Copyable>: ~Copyable {
    public var engine: ReconcileEngine<Backend>
    private var schedule: SyncSchedule
    private var sources: MergedSources
    private let inbox: Inbox
    private let observer: any AgentObserver
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var watched: Int32?
    private var isStopping = false

    /// - Parameters:
    ///   - sources: the names of the sources that leave word in the inbox, by precedence, which is how they are numbered
    ///     there; nothing is written to the kernel before each has said that it is complete.
    ///   - observer: is told what happens, on the loop's thread.
    public init(
        _ backend: consuming Backend, node: NodeFacts, settings: SyncSchedule.Settings, sources: [String], inbox: Inbox,
        observer: any AgentObserver
    ) {
        engine = ReconcileEngine(backend, node: node)
        schedule = SyncSchedule(settings)
        self.sources = MergedSources(names: sources)
        self.inbox = inbox
        self.observer = observer
        start = clock.now
    }

    /// Runs until it is told to stop.
    ///
    /// - Throws: if the kernel cannot be listened to at all: no privilege, no nf_tables.
    public mutating func run() throws(BackendError) {
        watched = try engine.backend.startWatching()
        while !isStopping {
            let step = schedule.next(at: now)
            if case .synchronize(let isFull) = step {
                synchronize(isFull: isFull)
            } else {
                wait(for: step)
            }
            hear()
        }
    }

    private var now: SyncSchedule.Instant { clock.now - start }

    // MARK: - Waiting

    private func wait(for step: SyncSchedule.Step) {
        var entries = [pollfd(fd: inbox.descriptor, events: Int16(POLLIN), revents: 0)]
        if let watched { entries.append(pollfd(fd: watched, events: Int16(POLLIN), revents: 0)) }
        var milliseconds: Int32 = -1
        if case .wait(let until) = step {
            let (seconds, attoseconds) = (until - now).components
            milliseconds = Int32(clamping: max(0, seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1))
        }
        poll(&entries, nfds_t(entries.count), milliseconds)
    }

    // MARK: - Listening

    private mutating func hear() {
        let (updates, orders) = inbox.take()
        for (source, update) in updates { take(update, from: source) }
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
        } catch {
            observer.synchronizationFailed(error, failures: schedule.failureCount)
            schedule.kernelChanged()
        }
    }

    private mutating func take(_ update: SourceUpdate, from source: Int) {
        let merged = sources.receive(update, from: source)
        if !merged.changes.isEmpty {
            engine.take(merged.changes)
            schedule.definitionsChanged()
        }
        if merged.isComplete { schedule.sourcesAreComplete() }
        observer.sourcesSpoke(findings: merged.findings, state: merged.state)
    }

    // MARK: - The kernel

    private mutating func synchronize(isFull: Bool) {
        schedule.began(isFull: isFull)
        let begin = clock.now
        do {
            let report = try engine.synchronize(isFull: isFull)
            schedule.succeeded(at: now, isFull: isFull, jitter: Double.random(in: 0..<1))
            observer.synchronized(
                report, isFull: isFull, took: clock.now - begin, services: engine.serviceCount,
                frontends: engine.frontendCount)
        } catch {
            schedule.failed(at: now, jitter: Double.random(in: 0..<1))
            observer.synchronizationFailed(error, failures: schedule.failureCount)
        }
    }
}

/// Is told what the agent's loop does, on the loop's thread: for logs and metrics.
public protocol AgentObserver: Sendable {
    func synchronized(_ report: SyncReport, isFull: Bool, took: Duration, services: Int, frontends: Int)
    /// Nothing could be done; it will be tried again.
    func synchronizationFailed(_ error: BackendError, failures: Int)
    func kernelWasChanged(by changes: [ForeignChange])
    /// How things stand at all sources together: everything that is wrong now, and how far they can be trusted.
    func sourcesSpoke(findings: [SourceFinding], state: SourceState)
}
