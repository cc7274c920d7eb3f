public import Dataplane
public import ServiceModel
public import ServicePlan
public import ServiceSource

/// Is told what the agent's loop does, on the loop's thread: for logs and metrics.
public protocol AgentObserver: Sendable {
    /// The loop is awake. It says so at least as often as it was asked to.
    func isAlive()
    /// Something is to be done; `changedServices` of them for the first time. Not before every source is complete.
    func synchronizationIsPending(changedServices: Int)
    func synchronized(_ report: SyncReport, isFull: Bool, took: Duration, engine: EngineCounts)
    /// Nothing could be done; it will be tried again.
    func synchronizationFailed(_ error: BackendError, failures: Int)
    func kernelWasChanged(by changes: [ForeignChange])
    /// How things stand at the sources: everything that is wrong now, and how far they can be trusted.
    func sourcesSpoke(_ news: SourceNews)
    /// What the health-check node ports answer now.
    func healthChecksChanged(_ checks: [UInt16: HealthChecks.Check])
}

/// How much the engine holds, and what of it does not stand.
public struct EngineCounts: Hashable, Sendable {
    public var services: Int
    public var frontends: Int
    /// Frontends that services do not get, because older ones have them.
    public var conflicts: [FrontendClaims.Conflict]

    public init(services: Int = 0, frontends: Int = 0, conflicts: [FrontendClaims.Conflict] = []) {
        self.services = services
        self.frontends = frontends
        self.conflicts = conflicts
    }
}

/// How things stand at the sources.
public struct SourceNews: Sendable {
    /// Those of all sources and between them.
    public var findings: [SourceFinding]
    /// Services that the backend cannot serve as they are defined, and why.
    public var unfit: [ServiceName: String]
    /// All together.
    public var state: SourceState
    /// Each source by its name, by precedence.
    public var states: [(name: String, state: SourceState)]
    /// What they say of this node; nil if they say nothing, or not every source is complete.
    public var node: ClusterNode?

    public init(
        findings: [SourceFinding] = [], unfit: [ServiceName: String] = [:], state: SourceState = .loading(nil),
        states: [(name: String, state: SourceState)] = [], node: ClusterNode? = nil
    ) {
        self.findings = findings
        self.unfit = unfit
        self.state = state
        self.states = states
        self.node = node
    }
}
