internal import Agent
internal import Logging
internal import ServiceLifecycle
internal import ServiceModel

/// Holds together what runs: the loop with its sources, the sockets that answer, and what the service manager hears.
struct AgentService: ServiceLifecycle.Service {
    private enum Event: Sendable {
        case stop
        case reload
        /// The loop does not begin, since services would be lost.
        case loss
        /// The loop ended without being told to.
        case ended((any Error)?)
        case healthChecks(Set<UInt16>)
        case waitedLongEnough
        case checkKernel
        /// The cycle that is to follow has heard something, by its number.
        case successorHeard(Int)
        /// It is time to try again what failed, by the number of the try.
        case retry(Int)
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
    private let heard = Announcements()

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
        let (continuation, heard) = (continuation, heard)
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
                settings: settings, reporter: reporter, notifier: notifier, heartbeat: heartbeat(notifier),
                onLoss: { continuation.yield(.loss) }, onEnd: { continuation.yield(.ended($0)) },
                onHeard: { if heard.add($0) { continuation.yield(.successorHeard($0)) } },
                onRetry: { continuation.yield(.retry($0)) })
            try await running.start()
            for await event in events {
                if try await !handle(event, &running) { break }
            }
            await running.stop()
        } onGracefulShutdown: {
            continuation.yield(.stop)
        }
    }

    private func heartbeat(_ notifier: SystemdNotifier) -> Duration {
        min(Self.heartbeat, notifier.watchdog.map { $0 / 4 } ?? Self.heartbeat)
    }

    /// - Returns: whether to go on.
    private func handle(_ event: Event, _ running: inout Running) async throws -> Bool {
        switch event {
        case .stop: return false
        case .ended(let error):
            if let error { try await giveUp(error, &running) }
        case .healthChecks(let ports): await running.healthCheckPorts.listen(on: ports)
        case .waitedLongEnough:
            running.notifier.isReady(running.reporter.read { $0.standing })
        case .checkKernel:
            running.checkKernel()
            running.sayWhatIsAwaited()
            await running.openHealthCheckPorts()
            lock.dismissCallers()
        case .successorHeard(let number):
            heard.take(number)
            await running.judge(number)
        case .loss:
            do { try await running.goOnWithPredecessor() } catch { try await giveUp(error, &running) }
        case .retry(let number): await running.tryAgain(number)
        case .reload:
            running.notifier.isReloading()
            await reload(&running)
            running.notifier.hasReloaded()
        }
        return true
    }

    private func giveUp(_ error: any Error, _ running: inout Running) async throws {
        await running.stop(loopHasEnded: true)
        throw error
    }

    private func reload(_ running: inout Running) async {
        // What is read now stands in the place of what could not be taken before.
        running.forgetRejected()
        do {
            let settings = try readSettings()
            _ = try SourceFactory.sources(settings)
            await running.take(settings)
        } catch let error as InvalidDefinitions {
            running.refuse(error.findings.map(\.description).joined(separator: "; "))
        } catch {
            running.refuse("\(error)")
        }
    }
}

extension AgentSettings {
    /// The level of swift-log.
    var level: Logger.Level { Logger.Level(rawValue: logLevel) ?? .info }
}
