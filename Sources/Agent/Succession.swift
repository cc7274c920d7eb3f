public import ServiceModel
public import ServiceSource

/// Decides when a loop under new settings may take the place of the one that runs. What works must not be given up for what
/// does not know yet what to do, or would serve less.
public struct Succession: Sendable {
    public enum Verdict: Hashable, Sendable {
        /// It knows all that it has to do, and can do it.
        case ready
        /// These of its sources have not said all yet.
        case waits(for: [String])
        /// Services that are served now would not be any more, and why.
        case wouldLose([ServiceName: String])
    }

    private let sources: [String]
    private let loss: @Sendable (Service) -> String?

    /// - Parameters:
    ///   - sources: the names of the new loop's sources, as they are numbered in its inbox.
    ///   - loss: why a service that is served now would not be; nil if it would, or is not served now.
    public init(sources: [String], loss: @escaping @Sendable (Service) -> String? = { _ in nil }) {
        self.sources = sources
        self.loss = loss
    }

    /// - Parameter updates: all that the new loop's sources have said so far.
    public func verdict(_ updates: [Int: SourceUpdate]) -> Verdict {
        let missing = sources.indices.filter { updates[$0]?.isComplete != true }
        guard missing.isEmpty else { return .waits(for: missing.map { sources[$0] }) }
        var lost: [ServiceName: String] = [:]
        for update in updates.values {
            for case (let name, let service?) in update.changes { lost[name] = loss(service) ?? lost[name] }
        }
        return lost.isEmpty ? .ready : .wouldLose(lost)
    }
}

extension Succession.Verdict: CustomStringConvertible {
    /// For people: what is waited for; nothing if it is ready.
    public var description: String {
        switch self {
        case .ready: return ""
        case .waits(let sources): return "not every source is complete: \(sources.joined(separator: ", "))"
        case .wouldLose(let services):
            let first = services.sorted { $0.key < $1.key }.prefix(3).map { "\($0): \($1)" }.joined(separator: "; ")
            let more = services.count > 3 ? "; and \(services.count - 3) more" : ""
            return "\(counted(services.count, "service")) would not be served any more: \(first)\(more)"
        }
    }
}
