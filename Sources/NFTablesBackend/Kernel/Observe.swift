public import Dataplane
internal import NetAddress
internal import NFTables
internal import Netlink
internal import RulesetAccess

// What the kernel has of ours, as the same typed values that lowering makes.

extension NFTablesBackend {
    public mutating func observe(into state: inout DeltaTracker<ObjectKey, ObjectValue>) throws(BackendError) {
        for attempt in 1...maximumAttempts {
            state.beginObservation()
            kernel = KernelMemory()
            session.generation = nil
            isRecordCurrent = false
            do {
                let pass = try observeOnce(into: &state)
                if pass.isSound, pass.isUndisturbed { return }
                if pass.isSound, attempt > maximumAttempts / 2 {
                    // Others never pause. What they change is hardly ever ours, and if it is, the kernel refuses a
                    // change that no longer fits, as a whole: go on without asking for a standstill.
                    session.generation = nil
                    return
                }
            } catch {
                // A table that is gone halfway was deleted meanwhile.
                guard error.isStale || error.isGone && attempt < maximumAttempts else { throw error.backendError }
            }
        }
        throw BackendError(.refused, Self.restless)
    }

    static var restless: String {
        "the ruleset keeps changing while it is read; is another program rewriting it all the time?"
    }

    /// One pass. It is disturbed if anybody changed the ruleset meanwhile, and unsound if what was believed or listed was
    /// visibly wrong: the kernel may repeat and leave out elements of a set that it is still enlarging, without a word.
    private mutating func observeOnce(
        into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) -> (isSound: Bool, isUndisturbed: Bool) {
        let generation = try read { (socket) throws(NetlinkError) in try socket.generation() }
        var known = try believed(at: generation, state)
        var isSound = true
        for family in IPFamily.allCases {
            guard let table = try table(family) else { continue }
            state.observe(.table(family), .table(Protection.seen(table, layout.options)))
            try observeChains(table, into: &state)
            isSound = try observeSets(table, &known, into: &state) && isSound
        }
        known.confirm(in: &state)
        let after = try read { (socket) throws(NetlinkError) in try socket.generation() }
        session.generation = after
        isRecordCurrent = known.isExact
        believedSets = known.trusted
        return (isSound && !known.isWrong, after == generation)
    }

    /// Only a table of our name that is not ours: what is in ours does not matter, and takes long to read.
    public mutating func findObstacles() throws(BackendError) {
        do {
            _ = try read { (socket) throws(NetlinkError) in try socket.generation() }
            for family in IPFamily.allCases { _ = try table(family) }
        } catch {
            throw error.backendError
        }
    }

    /// Our table; nil if it is not there.
    private mutating func table(_ family: IPFamily) throws(KernelError) -> Table? {
        let tables = try read { (socket) throws(NetlinkError) in try socket.tables(family) }
        guard let table = tables.first(where: { $0.name == Layout.table }) else { return nil }
        try Self.checkOwnership(table)
        return table
    }

    /// A table of our name that somebody else made stays as it is.
    private static func checkOwnership(_ table: Table) throws(KernelError) {
        guard table.comment == Layout.mark else {
            let name = "\(table.family.nftName) \(table.name)"
            throw .foreign(
                "the table \(name) is there, but was not made by svcctl (its comment is missing); "
                    + "remove it with `nft delete table \(name)` if nobody needs it")
        }
    }

    private mutating func observeChains(
        _ table: Table, into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) {
        let family = table.family
        let chains = try read { (socket) throws(NetlinkError) in try socket.chains(of: table) }
        let rules = try read { (socket) throws(NetlinkError) in try socket.rules(of: table) }
        let rulesByChain = Dictionary(grouping: rules, by: \.chain)
        for chain in chains {
            state.observe(.chain(family, chain.name), .chain(chain))
            let rules = rulesByChain[chain.name] ?? []
            if SharedRule.isShared(chain.name) {
                observeShared(rules, chain, into: &state)
            } else {
                state.observe(.rules(family, chain.name), .rules(rules.map(\.rule)))
            }
        }
    }

    /// The order of shared rules means nothing, since a packet matches one of them: what counts is that each is there.
    private mutating func observeShared(
        _ rules: [ObservedRule], _ chain: Chain, into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) {
        for observed in rules {
            let shared = SharedRule(observed.rule, in: chain.name, chain.family)
            if let shared, kernel.sharedRuleHandles[shared] == nil {
                kernel.sharedRuleHandles[shared] = observed.handle
                state.observe(.sharedRule(shared), .rules([observed.rule]))
            } else {
                state.observe(.strayRule(chain.family, chain.name, observed.handle), .rules([observed.rule]))
            }
        }
    }

    private mutating func observeSets(
        _ table: Table, _ known: inout BelievedElements, into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) -> Bool {
        var isSound = true
        for set in try read({ (socket) throws(NetlinkError) in try socket.sets(of: table) }) where !set.isAnonymous {
            let id = SetID(table.family, name: set.name)
            let isOurs = id != nil && set.definition == id?.definition
            // A set that looks otherwise is made anew, so what is in it does not matter.
            state.observe(.set(table.family, set.name), .set(set.definition))
            guard isOurs, let id, let definition = set.definition, !id.role.isMemory else { continue }
            if let doubts = known.trust(id, count: set.count) {
                try lookUp(doubts, of: id, into: &state)
                continue
            }
            if try hasNoOthers(id, count: set.count, into: &state) { continue }
            var count = 0
            try read { (socket) throws(NetlinkError) in
                try socket.elements(of: definition) { element in
                    // The kernel does not count the catch-all element.
                    if element.key != .catchAll { count += 1 }
                    if !state.observe(.element(element.key, id), .element(element.value)) { isSound = false }
                }
            }
            if let expected = set.count, expected != count { isSound = false }
        }
        return isSound
    }
}
