internal import Agent
internal import Dataplane
internal import ServiceModel
internal import ServiceSource

/// How the agent stands.
struct AgentRecord: Sendable {
    var version: String
    var startedAt = Timestamp.now
    /// When the first full state stood in the kernel.
    var readySince: Timestamp?
    var lastSuccess: Timestamp?
    var lastSuccessInstant: ContinuousClock.Instant?
    var lastError: String?
    var failuresInARow = 0
    /// Since when a change waits to be carried out.
    var pendingSince: ContinuousClock.Instant?
    /// When the loop last said that it is alive.
    var lastBeat = ContinuousClock.now
    /// Why the configuration that was read last does not hold yet for the loop; nil if it does.
    var awaited: String?
    /// Why the configuration that was read last could not be taken; it is tried again.
    var rejected: String?
    var engine = EngineCounts()
    var refused: [ServiceName: String] = [:]
    var news = SourceNews()
    var healthChecks: [UInt16: HealthChecks.Check] = [:]
    /// Kernel settings that are not as they must be: what is wrong with each.
    var wrongSysctls: [String: String] = [:]
    /// Others' changes that have not been mended yet, each once, and the first ones where there are many: what has not all
    /// its sources mends nothing for days, and each run of a program is another process.
    private(set) var drift: [ForeignChange] = []
    var events = EventLog()

    /// Who reads of more has stopped to count.
    static let mostDrift = 20

    mutating func note(_ changes: [ForeignChange]) {
        for change in changes where drift.count < Self.mostDrift && !drift.contains(change) { drift.append(change) }
    }

    mutating func driftIsMended() { drift = [] }

    /// How long a change may wait, or the loop be silent, before the node is not to be sent connections.
    static let patience = Duration.seconds(60)
    /// The same before the agent should be started anew: reading a large ruleset on a slow machine must not end in a
    /// circle of restarts.
    static let longPatience = Duration.seconds(300)

    /// What is in the way, or how much is served, for people.
    var standing: String {
        if let problem = news.state.problem?.message ?? lastError { return problem }
        return readySince == nil ? "waiting for the first full state" : counted(engine.services, "service")
    }

    /// Whether the agent does its work (semantics 49). Sources that do not answer do not count: a restart mends nothing.
    func isHealthy(at now: ContinuousClock.Instant = .now, patience: Duration = Self.patience) -> Bool {
        now - lastBeat < patience && pendingSince.map { now - $0 < patience } ?? true
    }

    /// Whether load balancers may send new connections to the node: not while it is being deleted (semantics 49). Nothing
    /// else of the agent's health depends on it.
    var isNodeEligible: Bool { news.node?.deletion == nil }
}
