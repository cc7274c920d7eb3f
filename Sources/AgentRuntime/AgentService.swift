internal import Agent
internal import AgentHTTP
internal import Dataplane
internal import Logging
internal import Backends
internal import ServiceLifecycle
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

/// Holds together what runs: the loop with its sources, the sockets that answer, and what the service manager hears.
struct AgentService: ServiceLifecycle.Service {
    private enum Event: Sendable {
        case stop
        case reload
        /// The loop ended without being told to.
        case ended((any Error)?)
        case healthChecks(Set<UInt16>)
        case waitedLongEnough
        case checkKernel
    }

    /// A source that does not answer must not hold up a machine's start for longer: the service manager is then told that
    /// the agent is ready although the kernel is not. `/readyz` goes on to say the truth.
    private static let patience = Duration.seconds(30)
    /// How often the kernel's settings are looked at: nobody tells when they change.
    private static let checkPeriod = Duration.seconds(60)
    /// How often the loop wakes up if nothing happens.
    private static let heartbeat = Duration.seconds(10)

    private let version: String
    private let settings: AgentSettings
    private let lock: NodeLock
    private let readSettings: @Sendable () throws -> AgentSettings
    private let events: AsyncStream<Event>
    private let continuation: AsyncStream<Event>.Continuation

    init(
        version: String, settings: AgentSettings, lock: NodeLock,
        readSettings: @escaping @Sendable () throws -> AgentSettings
    ) {
        self.lock = lock
        self.version = version
        self.settings = settings
        self.readSettings = readSettings
        (events, continuation) = AsyncStream.makeStream()
    }

    func reload() { continuation.yield(.reload) }

    func run() async throws {
        let notifier = SystemdNotifier()
        var logger = Logger(label: "svcctl", factory: { _ in ServiceLog() })
        logger.logLevel = settings.level
        let reporter = Reporter(version: version, logger: logger, notifier: notifier)
        reporter.say(
            .started, "svcctl \(version) starts with \(settings.sources.map(\.description).joined(separator: ", "))")
        let continuation = continuation
        reporter.whenHealthChecksChange { continuation.yield(.healthChecks(Set($0.keys))) }
        let timers = [
            Task {
                try await Task.sleep(for: Self.patience)
                continuation.yield(.waitedLongEnough)
            },
            Task {
                while true {
                    try await Task.sleep(for: Self.checkPeriod)
                    continuation.yield(.checkKernel)
                }
            },
        ]
        defer { for timer in timers { timer.cancel() } }
        try await withGracefulShutdownHandler {
            var running = Running(settings: settings, reporter: reporter, notifier: notifier)
            try await running.start(heartbeat: heartbeat(notifier), onEnd: ended)
            for await event in events {
                if try await !handle(event, &running) { break }
            }
            await running.stop()
        } onGracefulShutdown: {
            continuation.yield(.stop)
        }
    }

    private var ended: @Sendable ((any Error)?) -> Void {
        let continuation = continuation
        return { continuation.yield(.ended($0)) }
    }

    private func heartbeat(_ notifier: SystemdNotifier) -> Duration {
        min(Self.heartbeat, notifier.watchdog.map { $0 / 4 } ?? Self.heartbeat)
    }

    /// - Returns: whether to go on.
    private func handle(_ event: Event, _ running: inout Running) async throws -> Bool {
        switch event {
        case .stop: return false
        case .ended(let error):
            guard let error else { return true }
            await running.stop(loopHasEnded: true)
            throw error
        case .healthChecks(let ports): await running.healthCheckPorts.listen(on: ports)
        case .waitedLongEnough:
            running.notifier.isReady("running, but not every source is complete")
        case .checkKernel:
            running.checkKernel()
            await running.openHealthCheckPorts()
            lock.dismissCallers()
        case .reload:
            running.notifier.isReloading()
            await reload(&running)
            running.notifier.hasReloaded()
        }
        return true
    }

    private func reload(_ running: inout Running) async {
        do {
            let settings = try readSettings()
            _ = try SourceFactory.sources(settings)
            try await running.change(to: settings, heartbeat: heartbeat(running.notifier), onEnd: ended)
        } catch let error as InvalidDefinitions {
            let findings = error.findings.map(\.description).joined(separator: "; ")
            running.reporter.say(.failed, "the configuration stays as it was: \(findings)", .error)
        } catch {
            running.reporter.say(.failed, "the configuration stays as it was: \(error)", .error)
        }
    }
}

/// What is up now.
private struct Running {
    var settings: AgentSettings
    let reporter: Reporter
    let notifier: SystemdNotifier
    let servers = Servers()
    var healthCheckPorts: HealthCheckPorts
    private let metrics: MetricsEndpoint
    private var cycle: Cycle?

    init(settings: AgentSettings, reporter: Reporter, notifier: SystemdNotifier) {
        self.settings = settings
        self.reporter = reporter
        self.notifier = notifier
        healthCheckPorts = HealthCheckPorts(reporter: reporter, nodePortAddresses: settings.node.nodePortAddresses)
        metrics = MetricsEndpoint(reporter: reporter) {
            // While one backend follows another, both have rules; what counts is what is there. One that cannot be read
            // does not hide the other.
            BackendName.allCases.flatMap { (try? $0.status(withEndpoints: false)) ?? [] }
        }
    }

    mutating func start(heartbeat: Duration, onEnd: @escaping @Sendable ((any Error)?) -> Void) async throws {
        do {
            try await servers.listen(settings, reporter, metrics: metrics)
        } catch let error as ListenError {
            throw CannotStart(.cannotListen("\(error); does another agent or kube-proxy have it?"))
        }
        checkKernel()
        let sources = try SourceFactory.sources(settings)
        cycle = try Cycle(settings, sources, reporter, heartbeat: heartbeat, onEnd: onEnd)
    }

    /// Looks at the kernel's settings, and says what is new.
    func checkKernel() {
        let (wrong, set) = KernelSettings.check(KernelSettings.needed(settings), sets: settings.setsSysctls)
        for message in set { reporter.say(.sysctl, message, .notice) }
        let before = reporter.note { record in
            defer { record.wrongSysctls = wrong }
            return record.wrongSysctls
        }
        for (name, message) in wrong.sorted(by: { $0.key < $1.key }) where before[name] != message {
            reporter.say(.sysctl, message, .warning)
        }
        for name in before.keys.sorted() where wrong[name] == nil { reporter.say(.mended, "\(name) is right now") }
    }

    func openHealthCheckPorts() async {
        await healthCheckPorts.listen(on: Set(reporter.read { Array($0.healthChecks.keys) }))
    }

    /// Goes on with other settings. What does not concern the loop does not disturb it.
    mutating func change(
        to new: AgentSettings, heartbeat: Duration, onEnd: @escaping @Sendable ((any Error)?) -> Void
    ) async throws {
        if new == settings {
            cycle?.compare()
            return reporter.say(.reloaded, "the configuration is as it was; everything is compared")
        }
        if new.socket != settings.socket {
            throw UnchangeableOption(name: "socket")
        }
        if new.backend != settings.backend || new.protects != settings.protects {
            // What works must not be given up for what cannot.
            try await onOwnThread { try new.checkBackend() }
        }
        do {
            try await servers.listen(new, reporter, metrics: metrics)
        } catch {
            // What has moved already goes back.
            try? await servers.listen(settings, reporter, metrics: metrics)
            throw error
        }
        let old = settings
        settings = new
        reporter.setLogLevel(new.level)
        if new.node.nodePortAddresses != old.node.nodePortAddresses {
            await healthCheckPorts.listen(on: [])
            healthCheckPorts = HealthCheckPorts(reporter: reporter, nodePortAddresses: new.node.nodePortAddresses)
        }
        if new.loopSettings != old.loopSettings {
            // It must not be stopped twice: what it closes may be somebody else's by then.
            await cycle.take()?.stop()
            // What waited there begins anew, once its sources are complete.
            reporter.note { $0.pendingSince = nil }
            do {
                cycle = try Cycle(new, SourceFactory.sources(new), reporter, heartbeat: heartbeat, onEnd: onEnd)
            } catch {
                // Nothing runs any more: the service manager starts the agent anew.
                return onEnd(error)
            }
        }
        checkKernel()
        await openHealthCheckPorts()
        reporter.say(.reloaded, "the configuration was read again")
    }

    func stop(loopHasEnded: Bool = false) async {
        notifier.isStopping()
        let cleansUp = settings.cleansUpOnExit && !loopHasEnded
        reporter.say(.stopping, cleansUp ? "stops, and removes its rules" : "stops; its rules stay in the kernel")
        await cycle?.stop(cleansUp: cleansUp)
        await healthCheckPorts.listen(on: [])
        await servers.stop()
    }
}

/// An option that holds as long as the process lives.
private struct UnchangeableOption: Error, CustomStringConvertible {
    let name: String
    var description: String { "\(name) can only be changed by a restart" }
}

extension AgentSettings {
    /// The level of swift-log.
    var level: Logger.Level { Logger.Level(rawValue: logLevel) ?? .info }

    /// Without what the loop does not depend on.
    fileprivate var loopSettings: AgentSettings {
        var settings = self
        let defaults = AgentSettings()
        settings.logLevel = defaults.logLevel
        settings.cleansUpOnExit = defaults.cleansUpOnExit
        settings.metricsAddress = defaults.metricsAddress
        settings.healthAddress = defaults.healthAddress
        settings.setsSysctls = defaults.setsSysctls
        return settings
    }
}
