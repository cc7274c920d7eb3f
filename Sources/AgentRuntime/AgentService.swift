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
        /// What is to be said of the cycle that is to follow, by its number.
        case succession(Int, Succession.Verdict)
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
            var running = Running(
                settings: settings, reporter: reporter, notifier: notifier, heartbeat: heartbeat(notifier), onEnd: ended
            ) { continuation.yield(.succession($0, $1)) }
            try await running.start()
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
            running.notifier.isReady(running.reporter.read { $0.standing })
        case .checkKernel:
            running.checkKernel()
            running.sayWhatIsAwaited()
            await running.openHealthCheckPorts()
            lock.dismissCallers()
        case .succession(let number, let verdict): await running.judge(number, verdict)
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
            try await running.change(to: settings)
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
    private let heartbeat: Duration
    private let onEnd: @Sendable ((any Error)?) -> Void
    private let onVerdict: @Sendable (Int, Succession.Verdict) -> Void
    private var cycle: Cycle?
    /// What is to follow the cycle that runs, with a number by which it is known.
    private var successor: (number: Int, cycle: Cycle)?
    private var successorCount = 0
    /// What was said last of a configuration that does not hold yet.
    private var saidLast: String?

    /// - Parameters:
    ///   - onEnd: is called when a loop has ended, with the reason if it could not go on.
    ///   - onVerdict: is called with what is to be said of a successor, by its number.
    init(
        settings: AgentSettings, reporter: Reporter, notifier: SystemdNotifier, heartbeat: Duration,
        onEnd: @escaping @Sendable ((any Error)?) -> Void,
        onVerdict: @escaping @Sendable (Int, Succession.Verdict) -> Void
    ) {
        self.settings = settings
        self.reporter = reporter
        self.notifier = notifier
        self.heartbeat = heartbeat
        self.onEnd = onEnd
        self.onVerdict = onVerdict
        healthCheckPorts = HealthCheckPorts(reporter: reporter, nodePortAddresses: settings.node.nodePortAddresses)
        metrics = MetricsEndpoint(reporter: reporter) {
            // While one backend follows another, both have rules; what counts is what is there. One that cannot be read
            // does not hide the other.
            BackendName.allCases.flatMap { (try? $0.status(withEndpoints: false)) ?? [] }
        }
    }

    mutating func start() async throws {
        do {
            try await servers.listen(settings, reporter, metrics: metrics)
        } catch let error as ListenError {
            throw CannotStart(.cannotListen("\(error); does another agent or kube-proxy have it?"))
        }
        checkKernel()
        let first = try Cycle(settings, reporter)
        first.begin(heartbeat: heartbeat, onEnd: onEnd)
        cycle = first
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
    mutating func change(to new: AgentSettings) async throws {
        let isUnderWay = successor != nil || cycle?.settings.loopSettings == new.loopSettings
        if new == settings, isUnderWay {
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
        checkKernel()
        await openHealthCheckPorts()
        reporter.say(.reloaded, "the configuration was read again")
        if new.loopSettings != old.loopSettings || !isUnderWay { await prepareSuccessor() }
    }

    /// Lets a cycle with the settings of now listen to its sources, while the one before goes on.
    private mutating func prepareSuccessor() async {
        await successor.take()?.cycle.stop()
        reporter.note { $0.awaited = nil }
        guard let cycle, settings.loopSettings != cycle.settings.loopSettings else { return }
        successorCount += 1
        let (number, onVerdict) = (successorCount, onVerdict)
        do {
            let succession = try cycle.succession(to: settings)
            let next = try Cycle(settings, reporter) { onVerdict(number, succession.verdict($0)) }
            successor = (number, next)
            wait("\(succession.verdict([:]))")
        } catch {
            wait("\(error)")
            sayWhatIsAwaited()
        }
    }

    private func wait(_ reason: String) { reporter.note { $0.awaited = "the loop goes on as before: \(reason)" } }

    /// Says why a new configuration does not hold yet, each reason once. Sources are given a while.
    mutating func sayWhatIsAwaited() {
        let text = reporter.read { $0.awaited }
        defer { saidLast = text }
        if let text, text != saidLast { reporter.say(.failed, text, .error) }
    }

    /// Takes note of what is said of a successor, and lets it begin if it is ready.
    mutating func judge(_ number: Int, _ verdict: Succession.Verdict) async {
        guard let next = successor, next.number == number else { return }
        guard verdict == .ready else {
            wait("\(verdict)")
            if case .wouldLose = verdict { sayWhatIsAwaited() }
            return
        }
        successor = nil
        // It must not be stopped twice: what it closes may be somebody else's by then.
        await cycle.take()?.stop()
        reporter.note { record in
            record.awaited = nil
            // What waited there begins anew.
            record.pendingSince = nil
        }
        next.cycle.begin(heartbeat: heartbeat, onEnd: onEnd)
        cycle = next.cycle
        reporter.say(.reloaded, "the loop goes on with the configuration that was read again")
    }

    func stop(loopHasEnded: Bool = false) async {
        notifier.isStopping()
        let cleansUp = settings.cleansUpOnExit && !loopHasEnded
        reporter.say(.stopping, cleansUp ? "stops, and removes its rules" : "stops; its rules stay in the kernel")
        await successor?.cycle.stop()
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
