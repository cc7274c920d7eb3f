public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import XTables
internal import RulesetAccess

// The difference as one transaction.

extension IPTablesBackend {
    /// Carries out all differences in one transaction; sends none if there are none.
    ///
    /// If somebody else changes the ruleset between the observation and the transaction, nothing is done, and both are
    /// tried again.
    public mutating func apply(_ state: inout DeltaTracker<ObjectKey, ObjectValue>) throws(BackendError)
        -> ChangeSummary
    {
        // What is absent may be an extension that the kernel lacks, which looking again does not bring.
        var looksForAbsent = 2
        for attempt in 1...maximumAttempts {
            let changes = Changes(state)
            if changes.summary.isEmpty {
                state.settle()
                return ChangeSummary()
            }
            do {
                try learnHandles(changes)
                // Where others never pause, the standstill that the guard asks for never comes. The kernel refuses as a
                // whole what does not fit, so the guard may go.
                let isPatient = attempt <= maximumAttempts / 2
                let known = isPatient ? session.generation : nil
                try session.commit(changes.batch(kernel, generation: known), of: changes.summary, after: known)
                state.settle()
                kernel.note(changes)
                // A guarded transaction makes exactly one generation.
                session.generation = isPatient ? session.generation.map { $0 &+ 1 } : nil
                var summary = changes.summary
                summary.udp = changes.udp
                return summary
            } catch {
                if error.isInUse, try holdChains(changes) { continue }
                if !error.isStale {
                    guard error.isOutdated, looksForAbsent > 0 else { throw explain(error, state) }
                    looksForAbsent -= 1
                }
                if error.isStale, session.isStillRight() { continue }
                try observe(into: &state)
            }
        }
        throw BackendError(
            .refused, "the ruleset keeps changing under our hands; is another program rewriting it all the time?")
    }

    /// The changes that `apply` would send, as bytes and for any generation of the ruleset: for measuring what the
    /// kernel alone needs for them.
    public mutating func transaction(
        for state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) throws(BackendError) -> [UInt8] {
        let changes = Changes(state)
        do {
            try learnHandles(changes)
        } catch {
            throw error.backendError
        }
        return changes.batch(kernel, generation: nil).finished()
    }

    /// Takes note that one more transaction was made which left our chains as we know them.
    public mutating func expectGeneration() { session.generation = session.generation.map { $0 &+ 1 } }

    /// Rules that were added since the last observation have handles that only the kernel knows.
    private mutating func learnHandles(_ changes: Changes) throws(KernelError) {
        for change in changes.entries where change.isThere && kernel.entryHandles[change.key] == nil {
            let family = change.key.family
            guard let place = SharedPlace(change.key.list.table, change.key.chainName) else { continue }
            let chain = change.chain
            for observed in try read({ (socket) throws(NetlinkError) in try socket.rules(of: chain) }) {
                guard let rule = XTRule(observed.rule.expressions, family), let key = EntryKey(rule, place, family)
                else { continue }
                kernel.entryHandles[key] = observed.handle
            }
        }
    }
}

extension KernelMemory {
    /// Rules that were replaced or deleted have no handle any more, and those that came have one that we do not know.
    mutating func note(_ changes: Changes) {
        for change in changes.entries { entryHandles[change.key] = nil }
        for change in changes.chains where ownHandles[change.key] != nil { ownHandles[change.key] = nil }
        for family in IPFamily.allCases {
            for table in XTTable.used where changes.concern(table, family) {
                bases.insert(BasePlace(family: family, table: table, chain: nil))
                for base in table.baseChains(family) {
                    bases.insert(BasePlace(family: family, table: table, chain: base.name))
                }
            }
        }
    }
}
