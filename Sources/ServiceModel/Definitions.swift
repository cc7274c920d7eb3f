/// Everything that a set of inputs defines, decoded and checked.
public struct Definitions: Hashable, Sendable {
    /// Sorted by name; each name once.
    public var services: [Service]
    /// Services that were read and left out on purpose, each with its reason.
    public var skipped: [SkippedService]
    /// Nodes of the cluster, sorted by name; each name once.
    public var nodes: [ClusterNode]
    /// What is legal but deserves a word.
    public var warnings: [Finding]

    public init(
        services: [Service] = [], skipped: [SkippedService] = [], nodes: [ClusterNode] = [], warnings: [Finding] = []
    ) {
        self.services = services
        self.skipped = skipped
        self.nodes = nodes
        self.warnings = warnings
    }
}

/// A service that is not ours to serve (semantics 1).
public struct SkippedService: Hashable, Sendable {
    public enum Reason: String, Hashable, Sendable {
        case headless = "headless: it has no cluster IP"
        case externalName = "ExternalName: it is a DNS alias"
        case otherProxy = "another proxy serves it: label service.kubernetes.io/service-proxy-name"
    }

    public var name: ServiceName
    public var reason: Reason

    public init(name: ServiceName, reason: Reason) {
        self.name = name
        self.reason = reason
    }
}

/// One thing to say about an input, and where.
public struct Finding: Hashable, Sendable {
    public enum Severity: String, Hashable, Sendable {
        case error
        case warning
    }

    public var severity: Severity
    public var place: Place
    /// One sentence without a full stop, with the fix where there is one.
    public var message: String

    public init(severity: Severity = .error, place: Place, message: String) {
        self.severity = severity
        self.place = place
        self.message = message
    }
}

extension Finding: CustomStringConvertible {
    /// `FILE:LINE:COLUMN: error: PATH: MESSAGE`, as compilers print it.
    public var description: String {
        let path = place.path.isEmpty ? "" : "\(place.path): "
        return "\(place.position): \(severity.rawValue): \(path)\(message)"
    }
}

/// A place in an input.
public struct Place: Hashable, Sendable {
    /// The input's name: a path, or `-` for standard input.
    public var input: String
    /// From 1; 0 where the whole input is meant.
    public var line: Int
    /// From 1, in characters (Unicode scalars); 0 where the whole input is meant.
    public var column: Int
    /// A JSON path such as `services[3].ports[0].port`; empty at the top.
    public var path: String

    public init(input: String, line: Int = 0, column: Int = 0, path: String = "") {
        self.input = input
        self.line = line
        self.column = column
        self.path = path
    }

    /// `FILE:LINE:COLUMN`, or `FILE` alone.
    public var position: String { line > 0 ? "\(input):\(line):\(column)" : input }
}

/// Why a set of inputs was refused: every error that was found, and the warnings beside them, in order of place.
public struct InvalidDefinitions: Error, Hashable, Sendable {
    public var findings: [Finding]
    /// The names of all inputs that have errors, also of those whose findings are too many to be shown.
    public var inputs: Set<String>

    public init(findings: [Finding], inputs: Set<String>? = nil) {
        self.findings = findings
        self.inputs = inputs ?? Set(findings.lazy.filter { $0.severity == .error }.map(\.place.input))
    }
}

/// One input to decode: a file's name and its bytes.
public struct DefinitionInput: Hashable, Sendable {
    public var name: String
    public var bytes: [UInt8]

    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}
