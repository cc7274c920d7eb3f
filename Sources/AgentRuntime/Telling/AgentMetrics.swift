internal import Agent
internal import Dataplane
internal import Metrics
internal import PrometheusText
internal import ServiceSource
internal import Synchronization

/// What the agent counts, through swift-metrics.
final class AgentMetrics: Sendable {
    /// How many processes are counted by their name.
    private static let mostDriftNames = 50

    let registry = PrometheusRegistry(MetricCatalog.all)
    private let sync, fullSync, partialSync, changes: Metrics.Timer
    private let phases: [SyncPhase: Metrics.Timer]
    private let lastSync, lastQueued, ready: Gauge
    private let failures, serviceChanges, added, changed, removed, endedFlows: Counter
    private let services, frontends, conflicts, refused, errors, warnings: Gauge

    private let driftNames = Mutex<Set<String>>([])

    init(version: String) {
        let registry = registry
        func timer(_ name: String, _ labels: [(String, String)] = []) -> Metrics.Timer {
            Metrics.Timer(label: name, dimensions: labels, factory: registry)
        }
        func gauge(_ name: String, _ labels: [(String, String)] = []) -> Gauge {
            Gauge(label: name, dimensions: labels, factory: registry)
        }
        func counter(_ name: String, _ labels: [(String, String)] = []) -> Counter {
            Counter(label: name, dimensions: labels, factory: registry)
        }
        sync = timer("kubeproxy_sync_proxy_rules_duration_seconds")
        fullSync = timer("kubeproxy_sync_full_proxy_rules_duration_seconds")
        partialSync = timer("kubeproxy_sync_partial_proxy_rules_duration_seconds")
        changes = timer("svcctl_change_to_kernel_seconds")
        phases = Dictionary(
            uniqueKeysWithValues: SyncPhase.allCases.map { phase in
                (phase, timer("svcctl_phase_duration_seconds", [("phase", phase.rawValue)]))
            })
        lastSync = gauge("kubeproxy_sync_proxy_rules_last_timestamp_seconds")
        lastQueued = gauge("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds")
        ready = gauge("svcctl_ready")
        failures = counter("kubeproxy_sync_proxy_rules_nftables_sync_failures_total")
        serviceChanges = counter("kubeproxy_sync_proxy_rules_service_changes_total")
        added = counter("svcctl_objects_changed_total", [("change", "added")])
        changed = counter("svcctl_objects_changed_total", [("change", "changed")])
        removed = counter("svcctl_objects_changed_total", [("change", "removed")])
        endedFlows = counter("svcctl_udp_flows_ended_total")
        services = gauge("svcctl_services")
        frontends = gauge("svcctl_frontends")
        conflicts = gauge("svcctl_frontend_conflicts")
        refused = gauge("svcctl_services_refused")
        errors = gauge("svcctl_source_findings", [("severity", "error")])
        warnings = gauge("svcctl_source_findings", [("severity", "warning")])
        gauge("svcctl_build_info", [("version", version)]).record(1)
    }

    func isPending(changedServices: Int, at now: Timestamp) {
        lastQueued.record(now.seconds)
        serviceChanges.increment(by: changedServices)
    }

    func synchronized(
        _ report: SyncReport, isFull: Bool, took: Duration, _ engine: EngineCounts, unfit: Int, at now: Timestamp
    ) {
        sync.record(duration: took)
        (isFull ? fullSync : partialSync).record(duration: took)
        for (phase, took) in report.phases { phases[phase]?.record(duration: took) }
        lastSync.record(now.seconds)
        ready.record(1)
        added.increment(by: report.summary.added)
        changed.increment(by: report.summary.changed)
        removed.increment(by: report.summary.removed)
        endedFlows.increment(by: report.endedFlows)
        services.record(engine.services)
        frontends.record(engine.frontends)
        conflicts.record(engine.conflicts.count)
        refused.record(report.refused.count + unfit)
    }

    /// The kernel is right, and something had waited for that.
    func carriedOut(after waited: Duration) { changes.record(duration: waited) }

    func failed() { failures.increment() }

    func drift(by process: String?) {
        let process = process ?? "unknown"
        // A program may give itself another name each time.
        let name = driftNames.withLock { names in
            if names.count < Self.mostDriftNames { names.insert(process) }
            return names.contains(process) ? process : "others"
        }
        Counter(label: "svcctl_drift_events_total", dimensions: [("process", name)], factory: registry).increment()
    }

    func found(errors errorCount: Int, warnings warningCount: Int) {
        errors.record(errorCount)
        warnings.record(warningCount)
    }

    func answered(_ name: String, _ status: Int) {
        Counter(label: name, dimensions: [("code", String(status))], factory: registry).increment()
    }
}

extension Timestamp {
    /// Since 1970.
    var seconds: Double { Double(milliseconds) / 1000 }
}

extension Metrics.Timer {
    fileprivate func record(duration: Duration) {
        let (seconds, attoseconds) = duration.components
        recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
