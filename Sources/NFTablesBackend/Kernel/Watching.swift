public import Dataplane
internal import NFTables
internal import Netlink

// Who else changes the ruleset: the monitor tells of each transaction, so that drift is mended at once, and others' work
// on their own tables costs us nothing.

extension NFTablesBackend {
    public mutating func startWatching() throws(BackendError) -> Int32? {
        try startWatching(bufferSize: NFTablesMonitor.usualBufferSize)
    }

    package mutating func startWatching(bufferSize: Int32) throws(BackendError) -> Int32? {
        do {
            let started = try NFTablesMonitor(table: Layout.table, bufferSize: bufferSize)
            let descriptor = started.descriptor
            monitor = consume started
            return descriptor
        } catch {
            throw KernelError.netlink(error).backendError
        }
    }

    public mutating func heardChanges() throws(BackendError) -> [ForeignChange] {
        if isDeaf {
            resumeListening()
            hasMissedChanges = true
        }
        do {
            let heard = try hear()
            guard hasMissedChanges else { return heard }
            hasMissedChanges = false
            kernel.generation = nil
            return heard.isEmpty ? [ForeignChange(processName: nil, processID: nil)] : heard
        } catch {
            throw KernelError.netlink(error).backendError
        }
    }

    /// Carries out a transaction, a large one without listening to it.
    ///
    /// - Parameter known: the generation that the transaction asks for; nil if it fits any.
    mutating func quietly(
        _ changes: ChangeSummary, after known: UInt32?, _ body: (inout NFTablesBackend) throws(KernelError) -> Void
    ) throws(KernelError) {
        let count = changes.added + changes.changed + changes.removed
        guard count > NFTablesMonitor.mostObjects, pauseListening() else { return try body(&self) }
        do {
            try body(&self)
        } catch {
            resumeListening()
            // Whoever was in the way was not heard.
            hasMissedChanges = true
            throw error
        }
        resumeListening()
        let now = try? read { (socket) throws(NetlinkError) in try socket.generation() }
        if known == nil || now != known.map({ $0 &+ 1 }) { hasMissedChanges = true }
    }

    private mutating func pauseListening() -> Bool {
        guard let listening = monitor.take() else { return false }
        let isPaused = (try? listening.pause()) != nil
        monitor = consume listening
        return isPaused
    }

    private mutating func resumeListening() {
        guard let listening = monitor.take() else { return }
        isDeaf = (try? listening.resume()) == nil
        monitor = consume listening
    }

    /// Takes note of what others have done since the last time. Where that did not touch our tables, the ruleset that we
    /// know is still right under its new number.
    private mutating func hear() throws(NetlinkError) -> [ForeignChange] {
        guard var listening = monitor.take() else { return [] }
        let commits: [NFTablesMonitor.Commit]?
        do {
            commits = try listening.commits()
            monitor = consume listening
        } catch {
            monitor = consume listening
            throw error
        }
        guard let commits else {
            // A large transaction of our own overruns the monitor too. If the ruleset is the one that we made, nobody
            // else has changed anything.
            let now = try? read { (socket) throws(NetlinkError) in try socket.generation() }
            if let known = kernel.generation, now == known { return [] }
            kernel.generation = nil
            return [ForeignChange(processName: nil, processID: nil)]
        }
        return commits.compactMap { note($0) }
    }

    /// What one transaction means to us; nil if nothing.
    private mutating func note(_ commit: NFTablesMonitor.Commit) -> ForeignChange? {
        let change = ForeignChange(processName: commit.processName, processID: commit.processID)
        guard let known = kernel.generation else { return commit.touchesTable ? change : nil }
        // Generations go round after 2³².
        let distance = Int32(bitPattern: commit.generation &- known)
        // Our own, or older than what we have read.
        if distance <= 0 { return nil }
        guard distance == 1, !commit.touchesTable else {
            kernel.generation = nil
            return change
        }
        kernel.generation = commit.generation
        return nil
    }

    /// After a transaction that came too late: whether what we know of our tables is still right all the same, so that
    /// they need not be read again.
    mutating func isStillRight() -> Bool {
        let known = kernel.generation
        guard known != nil, let changes = try? hear(), changes.isEmpty else { return false }
        return kernel.generation != known
    }
}
