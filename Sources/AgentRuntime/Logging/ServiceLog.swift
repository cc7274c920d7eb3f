internal import Glibc
public import Logging
internal import ServiceSource

/// Log lines on standard error: for the journal with its priority in front (sd-daemon(3)) and without a time, which the
/// journal adds; for everything else with both in words.
public struct ServiceLog: LogHandler {
    public var logLevel: Logger.Level = .info
    public var metadata: Logger.Metadata = [:]
    private let isForJournal: Bool

    public init(isForJournal: Bool = Self.standardErrorIsJournal) { self.isForJournal = isForJournal }

    /// Whether systemd says that standard error, by its device and inode, is a stream to the journal.
    public static var standardErrorIsJournal: Bool {
        guard let stream = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var text = "\(event.message)"
        let pairs = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in pairs.sorted(by: { $0.key < $1.key }) { text += " \(key)=\(Self.quoted("\(value)"))" }
        write(line(text, event.level))
    }

    /// The line without its end. What a message holds beyond one line would pass for another message.
    func line(_ text: String, _ level: Logger.Level) -> String {
        let safe = String(text.map { $0.isNewline ? " " : $0 })
        return isForJournal ? "<\(level.syslogPriority)>\(safe)" : "\(Timestamp.now) \(level): \(safe)"
    }

    private func write(_ line: String) {
        // One call for the whole line, so that lines of several threads do not mix.
        let bytes = Array((line + "\n").utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }

    /// Values with spaces or quotes stand in quotes.
    private static func quoted(_ value: String) -> String {
        guard value.isEmpty || value.contains(where: { $0.isWhitespace || $0 == "\"" || $0 == "=" }) else {
            return value
        }
        return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

extension Logger.Level {
    /// syslog(3)'s number.
    var syslogPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
