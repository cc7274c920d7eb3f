public import Agent
internal import CAllocator
internal import Glibc
internal import Logging
internal import ServiceLifecycle
internal import ServiceModel
internal import ServiceSource
internal import UnixSignals

/// The node agent as a process: it reads its configuration, runs until it is told to stop, and reads it again on SIGHUP.
public struct NodeAgent: Sendable {
    private let version: String
    private let configuration: AgentConfiguration
    private let defaults: AgentSettings

    /// - Parameter defaults: what holds where neither the file nor a flag says something.
    public init(version: String, configuration: AgentConfiguration, defaults: AgentSettings) {
        self.version = version
        self.configuration = configuration
        self.defaults = defaults
    }

    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: `InvalidDefinitions`, `UnreadableInputs` or ``WrongSource`` for a wrong configuration, ``CannotStart``
    ///   if another agent runs here or an address cannot be had, `BackendError` if the kernel cannot be worked with at
    ///   all.
    public func run() async throws {
        // Before anything listens to them, these would end the process.
        signal(SIGHUP, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        // What is made here is nobody else's.
        umask(0o077)
        raiseFileLimit()
        // Large blocks go back to the kernel when they are free, also after many of them: they come and go with each full
        // comparison, and would leave holes in the heap.
        mallopt(M_MMAP_THRESHOLD, 256 << 10)
        let settings = try readSettings()
        _ = try SourceFactory.sources(settings)
        let lock = try NodeLock(socketPath: settings.socket)
        // What the kernel lacks no retry would mend, so the service manager hears of it.
        try await onOwnThread { try settings.checkBackend() }
        let service = AgentService(version: version, settings: settings, lock: lock) { try readSettings() }
        var quiet = Logger(label: "svcctl", factory: { _ in ServiceLog() })
        quiet.logLevel = .error
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(service: ReloadService(agent: service), successTerminationBehavior: .ignore),
                    .init(
                        service: service, successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        try await group.run()
    }

    /// Lets the process open as many files as it may allow itself. Each health-check node port and each connection takes one,
    /// and the usual limit is one for programs that call select(2).
    private func raiseFileLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, 65536))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    private func readSettings() throws -> AgentSettings {
        let input = try configuration.file.map { try DefinitionFiles.readFile($0) }
        return try configuration.settings(input, defaults: defaults)
    }
}

/// Tells the agent of SIGHUP.
private struct ReloadService: ServiceLifecycle.Service {
    let agent: AgentService

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { agent.reload() }
    }
}
