public import ServiceModel

/// Several sources as one. A service that two sources define is taken from the one that was named first, whichever
/// spoke first; the other's is a finding, and takes its place when the first one lets go of it.
public struct MergedSources: Sendable {
    /// The names of the sources, by precedence.
    public let names: [String]
    /// What each source said last, but for changes.
    private var latest: [SourceUpdate]
    /// Every service with each source's definition of it, in order of precedence: nearly always one.
    private var definitions: [ServiceName: [(source: Int, service: Service)]] = [:]
    private var conflicts = FindingBoard()

    public init(names: [String]) {
        self.names = names
        latest = names.map { _ in SourceUpdate() }
    }

    /// Whether every source has delivered a full state.
    public var isComplete: Bool { latest.allSatisfy(\.isComplete) }

    /// How each source stands, in order of ``names``.
    public var states: [SourceState] { latest.map(\.state) }

    /// A node of the cluster, from the source that was named first of those that define it.
    public func node(named name: String) -> ClusterNode? { latest.lazy.compactMap { $0.nodes[name] }.first }

    /// Takes in what one source says, and returns what that changes for all of them together.
    ///
    /// - Parameter source: the index of the source in ``names``; any other changes nothing.
    public mutating func receive(_ update: SourceUpdate, from source: Int, now: Timestamp = .now) -> SourceUpdate {
        var changes: [ServiceName: Service?] = [:]
        if latest.indices.contains(source) {
            latest[source] = update.withoutChanges
            if names.count == 1 {
                // Nobody else can define anything, so nothing need be remembered.
                changes = update.changes
            } else {
                for (name, service) in update.changes {
                    if let change = replace(name, with: service, from: source, now) { changes[name] = change }
                }
            }
        }
        return SourceUpdate(
            changes: changes, isComplete: isComplete,
            findings: latest.flatMap(\.findings) + conflicts.list(now: now), state: state)
    }

    /// - Returns: what that means for the service as a whole; nil for nothing.
    private mutating func replace(
        _ name: ServiceName, with service: Service?, from source: Int, _ now: Timestamp
    ) -> Service?? {
        var entries = definitions[name] ?? []
        let before = entries.first
        entries.removeAll { $0.source == source }
        if let service {
            let place = entries.firstIndex { $0.source > source } ?? entries.endIndex
            entries.insert((source, service), at: place)
        }
        definitions[name] = entries.isEmpty ? nil : entries
        noteConflict(name, entries.map(\.source), now)
        guard before?.service != entries.first?.service else { return nil }
        return .some(entries.first?.service)
    }

    private mutating func noteConflict(_ name: ServiceName, _ sources: [Int], _ now: Timestamp) {
        var notes: [(severity: Finding.Severity, message: String)] = []
        if let first = sources.first, sources.count > 1 {
            let others = sources.dropFirst().map { names[$0] }.joined(separator: ", ")
            notes = [(.error, "\(names[first]) defines it, and so does \(others), which is not heard")]
        }
        conflicts.set(notes, for: "service \(name)", now: now)
    }

    /// Loading while any source is, stale if any source is: the oldest problem speaks for all.
    private var state: SourceState {
        let problems = zip(names, states).compactMap { name, state in
            state.problem.map { SourceProblem(kind: $0.kind, message: "\(name): \($0.message)", since: $0.since) }
        }
        let oldest = problems.min { $0.since < $1.since }
        guard isComplete else { return .loading(oldest) }
        return oldest.map(SourceState.stale) ?? .current
    }
}
