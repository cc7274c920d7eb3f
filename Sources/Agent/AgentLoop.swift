public import Dataplane
internal import Glibc
public import ServiceModel
public import ServicePlan

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
    ///   - sourceCount: how many sources leave word in the inbox, numbered from 0; nothing is written to the kernel before
    ///     each has said that it is complete.
    ///   - observer: is told what happens, on the loop's thread.
    public init(
        _ backend: consuming Backend, node: NodeFacts, settings: SyncSchedule.Settings, sourceCount: Int, inbox: Inbox,
        observer: any AgentObserver
    ) {
        engine = ReconcileEngine(backend, node: node)
        schedule = SyncSchedule(settings)
        sources = MergedSources(sourceCount: sourceCount)
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
        let (news, orders) = inbox.take()
        for (source, news) in news { take(news, from: source) }
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

    private mutating func take(_ news: Inbox.SourceNews, from source: Int) {
        let changes = sources.take(news.changes, from: source)
        if !changes.isEmpty {
            engine.take(changes)
            schedule.definitionsChanged()
        }
        if news.isComplete { sources.isComplete(source: source) }
        if sources.isComplete { schedule.sourcesAreComplete() }
        observer.sourceSpoke(source, findings: news.findings, staleReason: news.staleReason)
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
    /// - Parameters:
    ///   - findings: all that is wrong with the source's documents now; nil if that has not changed.
    ///   - staleReason: why its last good state may be old, nil inside if it is current; nil outside if that has not
    ///     changed.
    func sourceSpoke(_ source: Int, findings: [Finding]?, staleReason: String??)
}
