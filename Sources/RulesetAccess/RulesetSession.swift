public import Dataplane
public import NFTables
public import Netlink

/// One program's talk with the kernel about the ruleset: the socket, what is known of the ruleset's generation, and what is
/// heard of others' changes, so that drift is mended at once and others' work elsewhere costs nothing.
public struct RulesetSession: ~Copyable {
    /// The generation of the ruleset that was observed; nil before.
    public var generation: UInt32?
    /// How long the kernel has worked on transactions so far.
    public private(set) var transactionTime = Duration.zero
    private var socket: NFTablesSocket?
    /// Hears what others do, if somebody asked for that.
    private var monitor: NFTablesMonitor?
    /// Whether others may have changed something while nobody listened.
    private var hasMissedChanges = false
    /// Whether the monitor does not listen, although it should.
    private var isDeaf = false

    /// Nothing is opened yet.
    public init() {}

    // MARK: - Asking

    /// Calls the kernel; the socket is opened before the first call, in the calling thread's network namespace.
    private mutating func callKernel<Result, Failure: Error>(
        _ body: (inout NFTablesSocket) throws(Failure) -> Result, _ wrap: (Failure) -> KernelError
    ) throws(KernelError) -> Result {
        do {
            if socket == nil { socket = try NFTablesSocket() }
        } catch {
            throw .netlink(error)
        }
        guard var open = socket.take() else { throw .netlink(NetlinkError(errno: 9, operation: "using the socket")) }
        do {
            let result = try body(&open)
            socket = consume open
            return result
        } catch {
            socket = consume open
            throw wrap(error)
        }
    }

    /// Reads from the kernel.
    public mutating func read<Result>(
        _ body: (inout NFTablesSocket) throws(NetlinkError) -> Result
    ) throws(KernelError) -> Result {
        try callKernel(body) { .netlink($0) }
    }

    /// Carries out a transaction.
    public mutating func commit(_ batch: consuming Batch) throws(KernelError) {
        let start = ContinuousClock.now
        defer { transactionTime += .now - start }
        var batch: Batch? = consume batch
        try callKernel { (socket) throws(TransactionError) in
            if let batch = batch.take() { try socket.commit(batch) }
        } _: {
            .transaction($0)
        }
    }

    /// Carries out a transaction, a large one without listening to it.
    ///
    /// - Parameter known: the generation that the transaction asks for; nil if it fits any.
    public mutating func commit(
        _ batch: consuming Batch, of changes: ChangeSummary, after known: UInt32?
    ) throws(KernelError) {
        let count = changes.added + changes.changed + changes.removed
        guard count > NFTablesMonitor.mostObjects, pauseListening() else { return try commit(batch) }
        do {
            try commit(batch)
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

    // MARK: - Listening

    /// Begins to listen to what others do to tables of these names.
    ///
    /// - Parameter bufferSize: bytes that may wait here before the kernel throws messages away.
    /// - Returns: the descriptor that becomes readable when there is something to hear.
    public mutating func startWatching(
        tables: Set<String>, bufferSize: Int32 = NFTablesMonitor.usualBufferSize
    ) throws(BackendError) -> Int32 {
        do {
            let started = try NFTablesMonitor(tables: tables, bufferSize: bufferSize)
            let descriptor = started.descriptor
            monitor = consume started
            return descriptor
        } catch {
            throw KernelError.netlink(error).backendError
        }
    }

    /// What others have changed, or may have changed, since the last call.
    public mutating func heardChanges() throws(BackendError) -> [ForeignChange] {
        if isDeaf {
            resumeListening()
            hasMissedChanges = true
        }
        do {
            let heard = try hear()
            guard hasMissedChanges else { return heard }
            hasMissedChanges = false
            generation = nil
            return heard.isEmpty ? [ForeignChange(processName: nil, processID: nil)] : heard
        } catch {
            throw KernelError.netlink(error).backendError
        }
    }

    /// After a transaction that came too late: whether what is known of the watched tables is still right all the same, so
    /// that they need not be read again.
    public mutating func isStillRight() -> Bool {
        let known = generation
        guard known != nil, let changes = try? hear(), changes.isEmpty else { return false }
        return generation != known
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

    /// Takes note of what others have done since the last time. Where that did not touch the watched tables, what is known
    /// of them is still right under the ruleset's new number.
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
            // A transaction of our own may overrun the monitor too. If the ruleset is the one that we made, nobody else has
            // changed anything.
            let now = try? read { (socket) throws(NetlinkError) in try socket.generation() }
            if let known = generation, now == known { return [] }
            generation = nil
            return [ForeignChange(processName: nil, processID: nil)]
        }
        return commits.compactMap { note($0) }
    }

    /// What one transaction means to us; nil if nothing.
    private mutating func note(_ commit: NFTablesMonitor.Commit) -> ForeignChange? {
        let change = ForeignChange(processName: commit.processName, processID: commit.processID)
        guard let known = generation else { return commit.touchesTable ? change : nil }
        // Generations go round after 2³².
        let distance = Int32(bitPattern: commit.generation &- known)
        // Our own, or older than what we have read.
        if distance <= 0 { return nil }
        guard distance == 1, !commit.touchesTable else {
            generation = nil
            return change
        }
        generation = commit.generation
        return nil
    }
}
