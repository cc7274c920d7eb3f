public import ServiceModel

/// The findings that stand now. One that is found again keeps the time when it was first seen.
public struct FindingBoard: Sendable {
    /// What is listed; more than this nobody reads.
    public static let limit = 200

    private var byDocument: [String: [SourceFinding]] = [:]
    /// Made on demand, since most changes touch no finding.
    private var listed: [SourceFinding]? = []

    public init() {}

    /// All findings in order of documents; a last one says how many more there are.
    public mutating func list(now: Timestamp) -> [SourceFinding] {
        if let listed { return listed }
        let documents = byDocument.keys.sorted()
        var result: [SourceFinding] = []
        for document in documents where result.count <= Self.limit { result += byDocument[document] ?? [] }
        if result.count > Self.limit {
            let total = byDocument.values.reduce(0) { $0 + $1.count }
            result.removeSubrange(Self.limit...)
            result.append(
                SourceFinding(
                    document: "", severity: .error, message: "\(total - Self.limit) more findings are not shown",
                    since: now))
        }
        listed = result
        return result
    }

    /// How many documents have findings.
    public var documentCount: Int { byDocument.count }

    /// Sets what is wrong with one document; nothing mends it.
    ///
    /// - Returns: the findings that were not there before.
    @discardableResult
    public mutating func set(
        _ findings: [(severity: Finding.Severity, message: String)], for document: String, now: Timestamp
    ) -> [SourceFinding] {
        let before = byDocument[document]
        guard !(before == nil && findings.isEmpty) else { return [] }
        var result: [SourceFinding] = []
        var new: [SourceFinding] = []
        for (severity, message) in findings {
            var finding = SourceFinding(document: document, severity: severity, message: message, since: now)
            if let known = before?.first(where: { $0.severity == severity && $0.message == message }) {
                finding.since = known.since
            } else {
                new.append(finding)
            }
            result.append(finding)
        }
        guard result != before else { return [] }
        byDocument[document] = result.isEmpty ? nil : result
        listed = nil
        return new
    }
}

extension Finding {
    /// What to say about a document whose name stands beside it: `LINE:COLUMN: PATH: MESSAGE`.
    public var messageWithinDocument: String {
        let position = place.line > 0 ? "\(place.line):\(place.column): " : ""
        return position + (place.path.isEmpty ? "" : "\(place.path): ") + message
    }
}
