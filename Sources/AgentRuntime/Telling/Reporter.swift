internal import Agent
internal import Dataplane
internal import Logging
internal import NetAddress
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource
internal import Synchronization

/// Hears what the loop does and says so: in the log, in metrics, and in the record that status and probes read.
final class Reporter: AgentObserver {
    let metrics: AgentMetrics
    let logger: Mutex<Logger>
    private let record: Mutex<AgentRecord>
    private let notifier: SystemdNotifier
    /// Is told which health-check node ports there are.
    private let onHealthChecks = Mutex<(@Sendable ([UInt16: HealthChecks.Check]) -> Void)?>(nil)

    init(version: String, logger: Logger, notifier: SystemdNotifier) {
        metrics = AgentMetrics(version: version)
        self.logger = Mutex(logger)
        self.notifier = notifier
        record = Mutex(AgentRecord(version: version))
    }

    func read<Result>(_ body: (AgentRecord) -> sending Result) -> sending Result {
        record.withLock { record in body(record) }
    }

    func note<Result: Sendable>(_ body: @Sendable (inout AgentRecord) -> Result) -> Result {
        record.withLock { record in body(&record) }
    }

    /// Says something in the log and among the events.
    func say(_ kind: EventLog.Kind, _ message: String, _ level: Logger.Level = .info) {
        logger.withLock { $0.log(level: level, "\(message)") }
        note { $0.events.add(kind, message) }
    }

    func setLogLevel(_ level: Logger.Level) { logger.withLock { $0.logLevel = level } }

    func whenHealthChecksChange(_ body: @escaping @Sendable ([UInt16: HealthChecks.Check]) -> Void) {
        onHealthChecks.withLock { $0 = body }
    }

    // MARK: - What the loop says

    func isAlive() {
        note { $0.lastBeat = .now }
        notifier.isAlive()
    }

    func synchronizationIsPending(changedServices: Int) {
        note { if $0.pendingSince == nil { $0.pendingSince = .now } }
        metrics.isPending(changedServices: changedServices, at: .now)
    }

    func synchronized(_ report: SyncReport, isFull: Bool, took: Duration, engine: EngineCounts) {
        let now = Timestamp.now
        let refused = report.refused.mapValues(\.message)
        let (before, drift, isFirst, unfit, pendingSince) = note { record in
            defer {
                record.refused = refused
                record.driftIsMended()
                record.readySince = record.readySince ?? now
                (record.lastSuccess, record.lastSuccessInstant) = (now, .now)
                (record.lastError, record.failuresInARow, record.pendingSince) = (nil, 0, nil)
                record.engine = engine
            }
            return (
                record.refused, record.drift, record.readySince == nil, record.news.unfit.count, record.pendingSince
            )
        }
        if let pendingSince { metrics.carriedOut(after: .now - pendingSince) }
        metrics.synchronized(report, isFull: isFull, took: took, engine, unfit: unfit, at: now)
        for (name, reason) in refused.sorted(by: { $0.key < $1.key }) where before[name] != reason {
            say(.refused, "\(name) is not served as it is defined: \(reason)", .error)
        }
        for name in before.keys.sorted() where refused[name] == nil { say(.mended, "\(name) is no longer refused") }
        let summary = report.summary
        let what =
            "\(counted(summary.added, "object")) added, \(summary.changed) changed, \(summary.removed) removed in \(took.forPeople)"
        if !drift.isEmpty {
            let culprits = Set(drift.map(\.description)).sorted().joined(separator: ", ")
            say(.drift, "mended what \(culprits) did: \(what)", .warning)
        } else if !summary.isEmpty {
            say(.synchronized, what, isFirst || isFull ? .info : .debug)
        }
        if isFirst {
            let services = counted(engine.services, "service")
            say(.ready, "in the kernel now: \(services), \(counted(engine.frontends, "frontend"))")
            notifier.isReady(read { $0.standing })
        } else {
            tellServiceManager()
        }
    }

    func synchronizationFailed(_ error: BackendError, failures: Int) {
        metrics.failed()
        let isNew = note { record in
            defer {
                record.lastError = error.message
                record.failuresInARow = failures
            }
            return record.lastError != error.message
        }
        if isNew { say(.failed, "the kernel could not be brought up to date: \(error.message)", .error) }
        tellServiceManager()
    }

    func kernelWasChanged(by changes: [ForeignChange]) {
        for change in changes { metrics.drift(by: change.processName) }
        note { $0.note(changes) }
        let culprits = Set(changes.map(\.description)).sorted().joined(separator: ", ")
        say(.drift, "\(culprits) changed what is ours", .warning)
    }

    func sourcesSpoke(_ news: SourceNews) {
        let (before, news) = note { record in
            let before = record.news
            record.news = news
            // What is not complete may lack the node, and a loop that follows another one begins so.
            if case .loading = news.state { record.news.node = before.node }
            return (before, record.news)
        }
        metrics.found(
            errors: news.findings.count { $0.severity == .error } + news.unfit.count,
            warnings: news.findings.count { $0.severity == .warning })
        tellFindings(before, news)
        tellDeletion(before.node, news.node)
        for (index, (name, state)) in news.states.enumerated() {
            let old = before.states.indices.contains(index) ? before.states[index].state : nil
            if let problem = state.problem, old?.problem?.kind != problem.kind {
                say(.source, "\(name): \(problem.message); what it said last stays", .error)
            } else if state == .current, let old, old != .current {
                say(.source, "\(name) is up to date")
            }
        }
        tellServiceManager()
    }

    private func tellServiceManager() { notifier.status(read { $0.standing }) }

    private func tellFindings(_ before: SourceNews, _ news: SourceNews) {
        let (old, new) = (Set(before.findings), Set(news.findings))
        for finding in news.findings where !old.contains(finding) {
            say(.finding, "\(finding.document): \(finding.message)", finding.severity == .error ? .error : .warning)
        }
        for finding in before.findings where !new.contains(finding) {
            say(.mended, "\(finding.document): no longer: \(finding.message)")
        }
        for (name, reason) in news.unfit.sorted(by: { $0.key < $1.key }) where before.unfit[name] != reason {
            say(.refused, "\(name) is not served as it is defined: \(reason)", .error)
        }
        for name in before.unfit.keys.sorted() where news.unfit[name] == nil {
            say(.mended, "\(name) is no longer refused")
        }
    }

    private func tellDeletion(_ before: ClusterNode?, _ node: ClusterNode?) {
        guard before?.deletion != node?.deletion else { return }
        if let node, let deletion = node.deletion {
            say(.node, "the node \(node.name) is being deleted, and /healthz says so: \(deletion.reason)", .warning)
        } else {
            say(.node, "the node is no longer being deleted", .notice)
        }
    }

    func healthChecksChanged(_ checks: [UInt16: HealthChecks.Check]) {
        note { $0.healthChecks = checks }
        onHealthChecks.withLock { $0 }?(checks)
    }
}

extension Duration {
    /// `12 ms`, `3.4 s`.
    fileprivate var forPeople: String {
        let milliseconds = Int(inSeconds * 1000)
        return milliseconds < 1000
            ? "\(milliseconds) ms" : "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
    }
}
