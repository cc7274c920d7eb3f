public import ServiceModel

/// Puts the services of several sources together: a service that two of them define is the earlier source's.
public struct MergedSources: Sendable {
    /// A service that a source defines in vain, because an earlier one defines it too.
    public struct Conflict: Hashable, Sendable {
        public let service: ServiceName
        /// The sources' places in the order of the configuration.
        public let winner: Int
        public let loser: Int
    }

    /// What each source says of each service that two or more of them define, or have defined.
    private var definitions: [ServiceName: [Int: Service]] = [:]
    private var complete: Set<Int> = []
    private let count: Int

    public init(sourceCount: Int) { count = sourceCount }

    /// Whether every source has delivered its first complete state (semantics 17).
    public var isComplete: Bool { complete.count == count }

    /// A source has delivered all that it has.
    public mutating func isComplete(source: Int) { complete.insert(source) }

    /// Takes what changed in one source, and gives what changed of all together.
    public mutating func take(_ changes: [ServiceName: Service?], from source: Int) -> [ServiceName: Service?] {
        var merged: [ServiceName: Service?] = [:]
        for (name, service) in changes {
            var known = definitions[name] ?? [:]
            let before = Self.winner(known)
            known[source] = service
            let after = Self.winner(known)
            definitions[name] = known.isEmpty ? nil : known
            if before?.service != after?.service { merged.updateValue(after?.service, forKey: name) }
        }
        return merged
    }

    /// All services that more than one source defines, in order of their names.
    public var conflicts: [Conflict] {
        definitions.filter { $0.value.count > 1 }.sorted { $0.key < $1.key }.flatMap { name, known in
            let sources = known.keys.sorted()
            return sources.dropFirst().map { Conflict(service: name, winner: sources[0], loser: $0) }
        }
    }

    private static func winner(_ known: [Int: Service]) -> (source: Int, service: Service)? {
        known.min { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
