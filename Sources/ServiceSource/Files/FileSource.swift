internal import Glibc
internal import ServiceModel

/// Definitions in files and directories, watched by inotify.
///
/// All files are decoded together, so that a service and its slices may stand in different ones. Only what is complete
/// and valid counts: a file that is wrong, unreadable or being written keeps its last good content, a path that is gone
/// or a directory without definition files is an alarm and keeps all it had. Removing one of several files of a
/// directory removes what it defined. To have no services on purpose, write a file with an empty list of services.
///
/// Nothing is complete until every path has been read without an error once.
public struct FileSource: DefinitionSource {
    public let paths: [String]
    /// How often files are looked at without notice: inotify tells nothing of a file that is mounted by itself, nor of files
    /// that are written to under another name or from another machine. A look that takes long is taken less often.
    package var secondLook = Duration.seconds(30)

    /// - Parameter paths: files, and directories, which stand for their `*.json`, `*.yaml` and `*.yml`.
    public init(_ paths: String...) { self.paths = paths }

    public init(_ paths: [String]) { self.paths = paths }

    public var name: String { "file:" + paths.joined(separator: ",") }

    public func updates() -> SourceUpdates {
        let (updates, mailbox) = SourceUpdates.makeMailbox()
        let start = Task.detached { await watch(mailbox) }
        mailbox.onTermination { start.cancel() }
        return updates
    }

    /// Watches until the task is cancelled, from the moment on when there can be a thread and what wakes it.
    private func watch(_ mailbox: SourceMailbox) async {
        var pause = RetryPause(first: .milliseconds(100), longest: .seconds(10))
        let start = Timestamp.now
        while !Task.isCancelled {
            do {
                let stop = try Bell()
                return try await withTaskCancellationHandler {
                    try await onOwnThread {
                        var watcher = FileWatcher(self, mailbox: mailbox, stop: stop)
                        watcher.run()
                        mailbox.finish()
                    }
                } onCancel: {
                    stop.ring()
                }
            } catch {
                let problem = SourceProblem(kind: .unreachable, message: "\(error)", since: start)
                mailbox.post(SourceUpdate(state: .loading(problem)))
                try? await Task.sleep(for: pause.failed(jitter: .random(in: 0..<1)))
            }
        }
    }
}

/// Waits for notices, and reads the files when these have calmed down.
private struct FileWatcher: ~Copyable {
    /// How long nothing must have happened before the files are read, and how long that may be put off, in milliseconds:
    /// what happens in one go becomes one reading.
    static let quietMilliseconds: Int32 = 20
    static let longestMilliseconds: Int64 = 500
    /// How many times as long as a look takes the files are left alone, unless there is a notice.
    static let leastRest: Int64 = 200

    let mailbox: SourceMailbox
    /// Rings when it is time to stop.
    let stop: Bell
    private var notices: Inotify?
    private var noticesDescriptor: Int32 = -1
    private let secondLook: Int64
    /// How long the last look at the files took, in milliseconds.
    private var lookTime: Int64 = 0
    private var reader: FileReader
    private var state = FileState()
    private var plan = WatchPlan()
    private var watchFailures: [String: String] = [:]
    /// Files that were written to and not closed since, by paths without links.
    private var beingWritten: Set<String> = []
    /// What was said last, but for changes, which are many.
    private var last: SourceUpdate?

    init(_ source: FileSource, mailbox: SourceMailbox, stop: Bell) {
        self.mailbox = mailbox
        self.stop = stop
        reader = FileReader(paths: source.paths)
        let (seconds, attoseconds) = source.secondLook.components
        secondLook = seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// Opens inotify if that has not succeeded before: there may be no more of it than a user may have, and later again.
    private mutating func openNotices() {
        guard noticesDescriptor < 0, let opened = Inotify() else { return }
        noticesDescriptor = opened.descriptor
        notices = consume opened
    }

    mutating func run() {
        repeat {
            let begin = Self.now
            let failuresBefore = watchFailures
            watch()
            let reading = reader.read { [beingWritten] in beingWritten.contains($0) }
            lookTime = Self.now - begin
            if reading.isAsBefore, watchFailures == failuresBefore { continue }
            let start = ContinuousClock.now
            var update = state.take(reading, watchFailures: watchFailures, now: .now)
            update.decoding = .now - start
            post(update)
        } while waitForChange()
    }

    /// Hands out what is new, if anything is.
    private mutating func post(_ update: SourceUpdate) {
        // Not `last?.changes = [:]`: of a type that cannot be copied, Swift 6.3 leaks what such an assignment replaces.
        defer { last = update.withoutChanges }
        if let last, update.changes.isEmpty, last.isComplete == update.isComplete, last.findings == update.findings,
            last.state == update.state, last.nodes == update.nodes
        {
            return
        }
        mailbox.post(update)
    }

    /// Watches whatever the next reading depends on. What is found while watches are set may be old already, so the
    /// plan is made again until nothing new is to be watched.
    private mutating func watch() {
        openNotices()
        for _ in 0..<10 {
            plan = reader.watchPlan()
            guard let (isNew, failures) = notices?.watch(plan.names.keys) else {
                return watchFailures = ["inotify": "inotify_init1 failed: too many watchers on this machine?"]
            }
            // Not every directory above may be looked into; those that matter are there to be read.
            watchFailures = failures.filter { $0.value != String(cString: strerror(EACCES)) }
            if !isNew { return }
        }
    }

    /// Blocks until something that matters has changed and things are quiet again; false if it is time to stop.
    private mutating func waitForChange() -> Bool {
        var deadline: Int64?
        let look = Self.now + max(secondLook, lookTime * Self.leastRest)
        while true {
            let left = deadline.map { max($0 - Self.now, 0) }
            let idle = Int32(clamping: max(look - Self.now, 0))
            guard let isNoticed = wait(left.map { min(Self.quietMilliseconds, Int32($0)) } ?? idle) else {
                return false
            }
            if deadline == nil, !isNoticed, Self.now >= look { return true }
            var isRelevant = false
            if isNoticed {
                for event in notices?.read() ?? [] where isWanted(event) {
                    note(event)
                    isRelevant = true
                }
            }
            if isRelevant {
                deadline = deadline ?? Self.now + Self.longestMilliseconds
            } else if deadline != nil, !isNoticed {
                return true
            }
            if let deadline, Self.now >= deadline { return true }
        }
    }

    private func isWanted(_ event: Inotify.Event) -> Bool {
        event.kind == .everything || plan.wants(event.name, in: event.directory)
    }

    private mutating func note(_ event: Inotify.Event) {
        let path = event.directory == "/" ? "/\(event.name)" : "\(event.directory)/\(event.name)"
        switch event.kind {
        case .written: beingWritten.insert(path)
        case .closed, .renamed: beingWritten.remove(path)
        case .everything: beingWritten = []
        case .attributes: break
        }
    }

    /// Whether there are notices; nil if it is time to stop. Negative: without an end.
    private func wait(_ milliseconds: Int32) -> Bool? {
        var descriptors = [
            pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: noticesDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        let count = poll(&descriptors, 2, milliseconds)
        if count < 0 { return errno == EINTR || errno == EAGAIN ? false : nil }
        return descriptors[0].revents != 0 ? nil : descriptors[1].revents != 0
    }

    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
