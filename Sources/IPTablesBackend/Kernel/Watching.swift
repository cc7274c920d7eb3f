public import Dataplane
internal import NFTables
internal import Netlink
internal import XTables

// Who else changes the tables of iptables. They are everybody's, so that much of what is heard is about others' chains,
// and costs a look at ours all the same.

extension IPTablesBackend {
    public mutating func startWatching() throws(BackendError) -> Int32? {
        do {
            let started = try NFTablesMonitor(tables: Set(XTTable.allCases.map(\.rawValue)))
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
        _ changes: ChangeSummary, after known: UInt32?, _ body: (inout IPTablesBackend) throws(KernelError) -> Void
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

    /// Takes note of what others have done since the last time. Where that did not touch these tables, what we know of
    /// them is right under the ruleset's new number too.
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
        // What was left out may have been anything.
        guard let commits else {
            kernel.generation = nil
            return [ForeignChange(processName: nil, processID: nil)]
        }
        return commits.compactMap { commit in
            let change = ForeignChange(processName: commit.processName, processID: commit.processID)
            guard let known = kernel.generation else { return commit.touchesTable ? change : nil }
            // Generations go round after 2³². Not later than ours is our own, or was read already.
            let distance = Int32(bitPattern: commit.generation &- known)
            if distance <= 0 { return nil }
            let isHarmless = distance == 1 && !commit.touchesTable
            kernel.generation = isHarmless ? commit.generation : nil
            return isHarmless ? nil : change
        }
    }

    /// After a transaction that came too late: whether what we know of our chains is still right all the same, so that
    /// they need not be read again.
    mutating func isStillRight() -> Bool {
        let known = kernel.generation
        guard known != nil, let changes = try? hear(), changes.isEmpty else { return false }
        return kernel.generation != known
    }
}
