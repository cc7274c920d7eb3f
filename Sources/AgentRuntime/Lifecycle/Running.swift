internal import Agent
internal import AgentHTTP
internal import Backends
internal import Logging
internal import ServicePlan
internal import ServiceSource

/// What is up now.
struct Running {
    var settings: AgentSettings
    let reporter: Reporter
    let notifier: SystemdNotifier
    let servers = Servers()
    var healthCheckPorts: HealthCheckPorts
    private let metrics: MetricsEndpoint
    private let heartbeat: Duration
    private let onLoss: @Sendable () -> Void
    private let onEnd: @Sendable ((any Error)?) -> Void
    private let onHeard: @Sendable (Int) -> Void
    private var cycle: Cycle?
    /// Another backend whose rules were in the kernel at the start, until that does not matter any more.
    private var predecessor: BackendName?
    /// What is to follow the cycle that runs, with a number by which it is known.
    private var successor: (number: Int, cycle: Cycle)?
    private var successorCount = 0
    /// The settings that were read last, if they could not be taken, and what was said of that.
    private var rejected: (settings: AgentSettings, complaint: String)?
    private var retry: Retry
    /// What was said last of a configuration that does not hold yet.
    private var saidLast: String?

    /// - Parameters:
    ///   - onLoss: is called when a loop does not begin, since that would take services away.
    ///   - onEnd: is called when a loop has ended, with the reason if it could not go on.
    ///   - onHeard: is called when a successor has heard something, by its number.
    ///   - onRetry: is called when it is time to try again what failed, with the number of the try.
    init(
        settings: AgentSettings, reporter: Reporter, notifier: SystemdNotifier, heartbeat: Duration,
        onLoss: @escaping @Sendable () -> Void, onEnd: @escaping @Sendable ((any Error)?) -> Void,
        onHeard: @escaping @Sendable (Int) -> Void, onRetry: @escaping @Sendable (Int) -> Void
    ) {
        self.settings = settings
        self.reporter = reporter
        self.notifier = notifier
        self.heartbeat = heartbeat
        (self.onLoss, self.onEnd) = (onLoss, onEnd)
        self.onHeard = onHeard
        retry = Retry(onDue: onRetry)
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
        let settings = settings
        predecessor = try await onOwnThread { settings.backendInKernel }
        begin(try Cycle(settings, reporter))
    }

    private mutating func begin(_ new: Cycle) {
        // When one has done its work, the kernel has the rules of none before.
        if reporter.read({ $0.readySince != nil }) { predecessor = nil }
        new.begin(after: predecessor, heartbeat: heartbeat, onLoss: onLoss, onEnd: onEnd)
        cycle = new
    }

    /// Goes on with the backend whose rules are in the kernel, as if the configuration had named another one just now. The
    /// loop that could not begin has not touched the kernel.
    mutating func goOnWithPredecessor() async throws {
        guard let old = predecessor, let cycle else { return }
        (predecessor, self.cycle) = (nil, nil)
        await cycle.stop()
        reporter.say(
            .started,
            "the rules of the \(old.rawValue) backend are in the kernel, and serve what \(settings.backend) would not: "
                + "\(old.rawValue) goes on", .warning)
        begin(try Cycle(settings.with(old), reporter))
        await prepareSuccessor()
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

    /// Goes on with settings that were read, now or as soon as that can be.
    mutating func take(_ new: AgentSettings) async {
        do {
            try await change(to: new)
        } catch let error as UnchangeableOption {
            refuse("\(error)")
        } catch {
            let complaint = "the configuration stays as it was: \(error)"
            if complaint != rejected?.complaint { reporter.say(.failed, "\(complaint); it is tried again", .error) }
            rejected = (new, complaint)
            reporter.note { $0.rejected = complaint }
            retry.failed()
        }
    }

    /// Says that what was read is wrong, until something else is read: no other try would mend it.
    func refuse(_ reason: String) {
        let complaint = "the configuration stays as it was: \(reason)"
        reporter.say(.failed, complaint, .error)
        reporter.note { $0.rejected = complaint }
    }

    /// Tries no more to take settings that could not be taken.
    mutating func forgetRejected() {
        reporter.note { $0.rejected = nil }
        guard rejected != nil else { return }
        rejected = nil
        retry.cancel()
        if lacksSuccessor { retry.failed() }
    }

    /// Whether the cycle that runs is to be followed by another one, which could not be made yet.
    private var lacksSuccessor: Bool {
        guard successor == nil, let cycle else { return false }
        return settings.loopSettings != cycle.settings.loopSettings
    }

    /// Tries again what failed.
    ///
    /// - Parameter number: of the try, as it was announced.
    mutating func tryAgain(_ number: Int) async {
        guard retry.isDue(number) else { return }
        if let rejected {
            await take(rejected.settings)
            // Those that were taken have seen to it.
            guard self.rejected != nil else { return }
        }
        if lacksSuccessor { await prepareSuccessor() }
    }

    /// Goes on with other settings. What does not concern the loop does not disturb it.
    private mutating func change(to new: AgentSettings) async throws {
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
        let (old, wasRejected) = (settings, rejected != nil)
        settings = new
        forgetRejected()
        reporter.setLogLevel(new.level)
        if new.node.nodePortAddresses != old.node.nodePortAddresses {
            await healthCheckPorts.listen(on: [])
            healthCheckPorts = HealthCheckPorts(reporter: reporter, nodePortAddresses: new.node.nodePortAddresses)
        }
        checkKernel()
        await openHealthCheckPorts()
        if wasRejected {
            reporter.say(.mended, "the configuration that was read last can be taken now")
        } else {
            reporter.say(.reloaded, "the configuration was read again")
        }
        if new.loopSettings != old.loopSettings || !isUnderWay { await prepareSuccessor() }
    }

    /// Lets a cycle with the settings of now listen to its sources, while the one before goes on.
    private mutating func prepareSuccessor() async {
        await successor.take()?.cycle.stop()
        reporter.note { $0.awaited = nil }
        guard let cycle, settings.loopSettings != cycle.settings.loopSettings else { return }
        successorCount += 1
        let (number, onHeard) = (successorCount, onHeard)
        do {
            let next = try Cycle(settings, reporter) { onHeard(number) }
            successor = (number, next)
            // Settings that could not be taken wait for the same retry.
            if rejected == nil { retry.cancel() }
            wait("\(next.verdict(following: cycle))")
        } catch {
            wait("\(error)")
            sayWhatIsAwaited()
            retry.failed()
        }
    }

    private func wait(_ reason: String) { reporter.note { $0.awaited = "the loop goes on as before: \(reason)" } }

    /// Says why a new configuration does not hold yet, each reason once. Sources are given a while.
    mutating func sayWhatIsAwaited() {
        let text = reporter.read { $0.awaited }
        defer { saidLast = text }
        if let text, text != saidLast { reporter.say(.failed, text, .error) }
    }

    /// Looks at what a successor has heard, and lets it begin if it is ready.
    mutating func judge(_ number: Int) async {
        guard let next = successor, next.number == number, let cycle else { return }
        let verdict = next.cycle.verdict(following: cycle)
        guard verdict == .ready else {
            wait("\(verdict)")
            if case .wouldLose = verdict { sayWhatIsAwaited() }
            return
        }
        successor = nil
        // It must not be stopped twice: what it closes may be somebody else's by then.
        self.cycle = nil
        await cycle.stop()
        reporter.note { record in
            record.awaited = nil
            // What waited there begins anew.
            record.pendingSince = nil
        }
        begin(next.cycle)
        reporter.say(.reloaded, "the loop goes on with the configuration that was read again")
    }

    mutating func stop(loopHasEnded: Bool = false) async {
        retry.cancel()
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
