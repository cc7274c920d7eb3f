public import ServiceModel

/// A place where definitions come from and keep coming from: files, or a store.
///
/// A source never takes a service away because it cannot see it any more. It hands out a removal only if the place
/// itself says that the service is gone; whatever else goes wrong leaves the last good state and shows in
/// ``SourceUpdate/state`` and ``SourceUpdate/findings``.
public protocol DefinitionSource: Sendable {
    /// What users call it, as in `--source`: `file:/etc/svcctl`.
    var name: String { get }

    /// Starts to watch. Each call starts anew, with a full state first; what it started ends with the sequence.
    func updates() -> SourceUpdates
}

/// What is new at a source since the last update: work in proportion to the change.
///
/// Everything but ``changes`` is not a difference, but how things stand now.
public struct SourceUpdate: Hashable, Sendable {
    /// Services that are new or differ, and nil for those that are gone.
    public var changes: [ServiceName: Service?]
    /// Whether this and all updates before it make up a full state. It stays true once it is. Until then nothing may be
    /// written, since what is missing may only be late.
    public var isComplete: Bool
    /// All that is wrong now, in order of documents. A service whose document is wrong keeps its last good state.
    public var findings: [SourceFinding]
    /// How far the source can be trusted to show what is there now.
    public var state: SourceState
    /// The nodes of the cluster that the source defines, by name.
    public var nodes: [String: ClusterNode] = [:]
    /// How long it took to make this of the bytes that came.
    public var decoding = Duration.zero

    public init(
        changes: [ServiceName: Service?] = [:], isComplete: Bool = false, findings: [SourceFinding] = [],
        state: SourceState = .loading(nil)
    ) {
        self.changes = changes
        self.isComplete = isComplete
        self.findings = findings
        self.state = state
    }

    /// How things stand, without what changed: services may be many.
    package var withoutChanges: SourceUpdate {
        var update = self
        update.changes = [:]
        return update
    }

    /// Takes in a later update, so that this one stands for both.
    public mutating func merge(_ later: SourceUpdate) {
        if changes.isEmpty { changes = later.changes } else { changes.merge(later.changes) { $1 } }
        isComplete = isComplete || later.isComplete
        findings = later.findings
        state = later.state
        nodes = later.nodes
        decoding += later.decoding
    }
}

/// One thing that is wrong with one document of a source, and stands until it is mended.
public struct SourceFinding: Hashable, Sendable {
    /// The path of a file, or the key in a store.
    public var document: String
    public var severity: Finding.Severity
    /// What is wrong, with the place within the document where there is one.
    public var message: String
    /// When it was first seen.
    public var since: Timestamp

    public init(document: String, severity: Finding.Severity = .error, message: String, since: Timestamp) {
        self.document = document
        self.severity = severity
        self.message = message
        self.since = since
    }
}

/// How far a source can be trusted to show what is there now.
public enum SourceState: Hashable, Sendable {
    /// No full state yet; and what is in the way, if something is.
    case loading(SourceProblem?)
    /// What was handed out is what is there, but for documents with findings.
    case current
    /// What was handed out is the last good state; the source cannot see, or does not believe, what is there now.
    case stale(SourceProblem)

    /// What is in the way, if something is.
    public var problem: SourceProblem? {
        switch self {
        case .loading(let problem): problem
        case .current: nil
        case .stale(let problem): problem
        }
    }
}

/// Why a source cannot show what is there.
public struct SourceProblem: Hashable, Sendable {
    /// Kinds that an operator treats differently. The raw value is a label of metrics.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A file or directory is not there, or a directory is empty.
        case missing
        /// It is there and cannot be read, or the store does not answer.
        case unreachable
        /// The store refuses this user, or its certificate is not good.
        case notPermitted
        /// Something answers that is not the store that it should be.
        case notUnderstood
        /// There is no good state to begin with: documents must be mended first.
        case invalid
        /// The store has less than it once had: it was restored or made anew.
        case dataLost
    }

    public var kind: Kind
    /// One sentence without a full stop, with the fix where there is one.
    public var message: String
    /// When it began, whatever words were used for it since.
    public var since: Timestamp

    public init(kind: Kind, message: String, since: Timestamp) {
        self.kind = kind
        self.message = message
        self.since = since
    }
}
