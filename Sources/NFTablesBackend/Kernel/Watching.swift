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
        do {
            return try hear()
        } catch {
            throw KernelError.netlink(error).backendError
        }
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
