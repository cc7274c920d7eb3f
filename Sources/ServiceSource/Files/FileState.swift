internal import ServiceModel

/// Turns readings of files into updates: what is good is taken, what is not is held back and said.
struct FileState {
    private var lastGood = LastGood<Definitions>()
    private var findings = FindingBoard()
    /// The documents that each path had when it could last be looked at.
    private var documentsByRoot: [String: [String]] = [:]
    /// What stands for each service that was handed out; the services themselves are their readers'.
    private var delivered: [ServiceName: ServiceDigest] = [:]
    private var nodes: [String: ClusterNode] = [:]
    private var isComplete = false
    private var problem: SourceProblem?
    private var known: Set<String> = []

    /// - Parameter watchFailures: directories that cannot be watched, with the reason.
    mutating func take(_ reading: FileReading, watchFailures: [String: String] = [:], now: Timestamp) -> SourceUpdate {
        var notes = watchFailures.mapValues { reason in
            [(severity: Finding.Severity.error, message: "changes here are not noticed: \(reason)")]
        }
        var wanted: [DefinitionInput] = []
        var failure: (kind: SourceProblem.Kind, messages: [String])?
        for root in reading.roots {
            if let rootFailure = root.failure {
                failure = (failure?.kind ?? rootFailure.kind, (failure?.messages ?? []) + [rootFailure.message])
                wanted += (documentsByRoot[root.path] ?? []).compactMap { lastGood[$0] }
                continue
            }
            documentsByRoot[root.path] = root.documents.map(\.path)
            for document in root.documents { take(document, into: &wanted, &notes, &failure) }
        }

        let outcome = lastGood.settle(wanted) { (inputs) throws(InvalidDefinitions) in
            inputs.isEmpty ? Definitions() : try Definitions(decoding: inputs)
        }
        for finding in outcome.errors + (outcome.value?.warnings ?? []) {
            notes[finding.place.input, default: []].append((finding.severity, finding.messageWithinDocument))
        }
        if !isComplete, failure == nil, !outcome.isClean {
            failure = (.invalid, ["there is no good state yet; mend what is wrong first"])
        }
        note(notes, now)
        setProblem(failure, now)
        isComplete = isComplete || failure == nil
        var update = SourceUpdate(isComplete: isComplete, findings: findings.list(now: now), state: state)
        if isComplete, let good = outcome.value {
            update.changes = changes(to: good.services)
            nodes = Dictionary(good.nodes.map { ($0.name, $0) }) { first, _ in first }
        }
        update.nodes = nodes
        return update
    }

    private func take(
        _ document: FileReading.Document, into wanted: inout [DefinitionInput],
        _ notes: inout [String: [(severity: Finding.Severity, message: String)]],
        _ failure: inout (kind: SourceProblem.Kind, messages: [String])?
    ) {
        switch document.content {
        case .bytes(let bytes):
            wanted.append(DefinitionInput(name: document.path, bytes: bytes))
            return
        case .unreadable(let reason):
            notes[document.path, default: []].append((.error, reason))
        case .beingWritten:
            let message = "a program is writing it; what it held before stays until the file is closed"
            notes[document.path, default: []].append((.warning, message))
        }
        if let good = lastGood[document.path] {
            wanted.append(good)
        } else if !isComplete {
            let kind = failure?.kind ?? .unreachable
            failure = (kind, (failure?.messages ?? []) + ["\(document.path): it cannot be read yet"])
        }
    }

    private mutating func note(
        _ notes: [String: [(severity: Finding.Severity, message: String)]], _ now: Timestamp
    ) {
        for document in known.subtracting(notes.keys) { findings.set([], for: document, now: now) }
        for (document, notes) in notes { findings.set(notes, for: document, now: now) }
        known = Set(notes.keys)
    }

    private mutating func setProblem(_ failure: (kind: SourceProblem.Kind, messages: [String])?, _ now: Timestamp) {
        guard let failure else { return problem = nil }
        problem = SourceProblem(
            kind: failure.kind, message: failure.messages.joined(separator: "; "), since: problem?.since ?? now)
    }

    private var state: SourceState {
        guard isComplete else { return .loading(problem) }
        return problem.map(SourceState.stale) ?? .current
    }

    /// What differs from what was handed out.
    private mutating func changes(to services: [Service]) -> [ServiceName: Service?] {
        var changes: [ServiceName: Service?] = [:]
        var gone = Set(delivered.keys)
        for service in services {
            gone.remove(service.name)
            let digest = ServiceDigest(service)
            guard delivered[service.name] != digest else { continue }
            delivered[service.name] = digest
            changes[service.name] = .some(service)
        }
        for name in gone {
            delivered[name] = nil
            changes[name] = .some(nil)
        }
        return changes
    }
}

/// 128 bits that tell services apart, seeded anew by each process: nobody can make two that are taken for one.
private struct ServiceDigest: Equatable {
    private let first: Int
    private let second: Int

    init(_ service: Service) {
        var hasher = Hasher()
        hasher.combine(service)
        var other = hasher
        other.combine(0)
        first = hasher.finalize()
        second = other.finalize()
    }
}

extension DefinitionFiles.Failure {
    fileprivate var kind: SourceProblem.Kind { isMissing ? .missing : .unreachable }
}
