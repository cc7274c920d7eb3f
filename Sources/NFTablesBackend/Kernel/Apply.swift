public import Dataplane
internal import NetAddress
internal import NFTables
internal import Netlink
internal import RulesetAccess

// The difference as one transaction.

extension NFTablesBackend {
    /// Carries out all differences in one transaction; sends none if there are none.
    ///
    /// If somebody else changes the ruleset between the observation and the transaction, nothing is done, and both are
    /// tried again.
    public mutating func apply(_ state: inout DeltaTracker<ObjectKey, ObjectValue>) throws(BackendError)
        -> ChangeSummary
    {
        for attempt in 1...maximumAttempts {
            var changes = Changes(state)
            if changes.isEmpty {
                // From here on a change costs only what it touches.
                state.settle()
                record(nil, state)
                return ChangeSummary()
            }
            do {
                try prepare(&changes, state)
                // Where others never pause, the standstill that the guard asks for never comes. The kernel refuses as a
                // whole what does not fit, so the guard may go.
                let isPatient = attempt <= maximumAttempts / 2
                let known = isPatient ? session.generation : nil
                try session.commit(batch(for: changes, generation: known), of: changes.summary, after: known)
                state.settle()
                kernel.forgetHandles(of: changes.obsoleteSharedRules, changes.familiesToRebuild)
                // A guarded transaction makes exactly one generation.
                session.generation = isPatient ? session.generation.map { $0 &+ 1 } : nil
                record(changes, state)
                var summary = changes.summary
                summary.udp = changes.udpChanges
                return summary
            } catch {
                guard error.isStale || error.isOutdated && attempt <= 2 else {
                    throw explain(error, state)
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
    public func transaction(for state: borrowing DeltaTracker<ObjectKey, ObjectValue>) -> [UInt8] {
        batch(for: Changes(state), generation: nil).finished()
    }

    private mutating func prepare(
        _ changes: inout Changes, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) {
        for family in changes.familiesToRebuild { changes.rebuild(family, state) }
        for rule in changes.obsoleteSharedRules where kernel.sharedRuleHandles[rule] == nil {
            try learnHandles(rule.family)
        }
        try forgetClients(of: &changes)
    }

    /// Rules that were added since the last observation have handles that only the kernel knows.
    private mutating func learnHandles(_ family: IPFamily) throws(KernelError) {
        for observed in try read({ (socket) throws(NetlinkError) in try socket.rules(of: Layout.table(family)) }) {
            guard let shared = SharedRule(observed.rule, in: observed.chain, family) else { continue }
            kernel.sharedRuleHandles[shared] = observed.handle
        }
    }

    private func batch(for changes: Changes, generation: UInt32?) -> Batch {
        var batch = Batch(generation: generation, capacity: 4096 + changes.elementCount * 56)
        for family in changes.families {
            if changes.familiesToRebuild.contains(family) { batch.delete(Layout.table(family)) }
            changes.write(family, kernel, to: &batch)
        }
        return batch
    }
}

/// The differences, sorted by what they are, so that what is referred to is made first and removed last.
struct Changes {
    var tables: [Table] = []
    var obsoleteTables: [Table] = []
    var chains: [Chain] = []
    var obsoleteChains: [Chain] = []
    /// Chains whose rules are written anew, with the new ones; nothing for a chain that goes.
    var rules: [(chain: Chain, rules: [Rule], hadRules: Bool)] = []
    var sets: [SetDefinition] = []
    var obsoleteSets: [SetDefinition] = []
    var sharedRules: [SharedRule] = []
    var obsoleteSharedRules: [SharedRule] = []
    var strayRules: [(chain: Chain, handle: UInt64, rule: Rule?)] = []
    var elements = ElementTable<(ElementKey, ElementValue)>()
    var obsoleteElements = ElementTable<(ElementKey, ElementValue)>()
    /// What rules have remembered of clients whose endpoint is no longer theirs.
    var forgotten: [SetID: [ElementKey: ElementValue]] = [:]
    /// What is counted: a rebuild counts its family anew.
    private var (ipv4, ipv6) = (Count(), Count())
    /// Families where a table, chain or set of ours is there in another form: the table is then made anew, in the same
    /// transaction.
    var familiesToRebuild: Set<IPFamily> = []

    private struct Count: Equatable {
        var (added, changed, removed) = (0, 0, 0)

        mutating func add(_ isDesired: Bool, _ isThere: Bool) {
            switch (isDesired, isThere) {
            case (false, _): removed += 1
            case (true, false): added += 1
            case (true, true): changed += 1
            }
        }
    }

    var summary: ChangeSummary {
        ChangeSummary(
            added: ipv4.added + ipv6.added, changed: ipv4.changed + ipv6.changed, removed: ipv4.removed + ipv6.removed)
    }

    var isEmpty: Bool { families.isEmpty }
    /// The families in which something differs: most changes concern one.
    var families: [IPFamily] { (ipv4 == Count() ? [] : [.ipv4]) + (ipv6 == Count() ? [] : [.ipv6]) }
    var elementCount: Int { elements.count }

    init(_ state: borrowing DeltaTracker<ObjectKey, ObjectValue>) {
        state.forEachDifference { key, desired, observed in add(key, desired, observed) }
    }

    /// Replaces everything that concerns a family by making all of it.
    mutating func rebuild(_ family: IPFamily, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>) {
        if family == .ipv4 { ipv4 = Count() } else { ipv6 = Count() }
        tables.removeAll { $0.family == family }
        obsoleteTables.removeAll { $0.family == family }
        chains.removeAll { $0.family == family }
        obsoleteChains.removeAll { $0.family == family }
        rules.removeAll { $0.chain.family == family }
        sets.removeAll { $0.family == family }
        obsoleteSets.removeAll { $0.family == family }
        sharedRules.removeAll { $0.family == family }
        obsoleteSharedRules.removeAll { $0.family == family }
        strayRules.removeAll { $0.chain.family == family }
        elements.remove(family)
        obsoleteElements.remove(family)
        state.forEachDesired { key, value in
            if key.family == family { add(key, value, nil) }
        }
    }

    private mutating func add(_ key: ObjectKey, _ desired: ObjectValue?, _ observed: ObjectValue?) {
        count(key.family, desired, observed)
        switch key {
        case .table(let family): addTable(family, desired, observed)
        case .chain(let family, _): addChain(family, desired, observed)
        case .rules(let family, let name): addRules(family, name, desired, observed)
        case .set(let family, let name): addSet(family, name, desired, observed)
        case .sharedRule(let rule):
            if desired == nil { obsoleteSharedRules.append(rule) } else { sharedRules.append(rule) }
        case .strayRule(let family, let name, let handle):
            let rule: Rule? = if case .rules(let rules) = observed { rules.first } else { nil }
            strayRules.append((Chain(family: family, table: Layout.table, name: name), handle, rule))
        case .element(let key, let set):
            if case .element(let value) = observed { obsoleteElements.append((key, value), to: set) }
            if case .element(let value) = desired { elements.append((key, value), to: set) }
        }
    }

    private mutating func count(_ family: IPFamily, _ desired: ObjectValue?, _ observed: ObjectValue?) {
        let (isDesired, isThere) = (desired != nil, observed != nil)
        if family == .ipv4 { ipv4.add(isDesired, isThere) } else { ipv6.add(isDesired, isThere) }
    }

    private mutating func addTable(_ family: IPFamily, _ desired: ObjectValue?, _ observed: ObjectValue?) {
        guard case .table(let table) = desired else { return obsoleteTables.append(Layout.table(family)) }
        if case .table(let old) = observed, !Protection.canBeTaken(old, as: table) { familiesToRebuild.insert(family) }
        tables.append(table)
    }

    private mutating func addChain(_ family: IPFamily, _ desired: ObjectValue?, _ observed: ObjectValue?) {
        if desired != nil, observed != nil { familiesToRebuild.insert(family) }
        switch (desired, observed) {
        case (.chain(let chain), _): chains.append(chain)
        case (nil, .chain(let chain)): obsoleteChains.append(chain)
        default: break
        }
    }

    private mutating func addRules(
        _ family: IPFamily, _ name: String, _ desired: ObjectValue?, _ observed: ObjectValue?
    ) {
        let chain = Chain(family: family, table: Layout.table, name: name)
        let old: [Rule] = if case .rules(let rules) = observed { rules } else { [] }
        let new: [Rule] = if case .rules(let rules) = desired { rules } else { [] }
        rules.append((chain, new, !old.isEmpty))
    }

    private mutating func addSet(
        _ family: IPFamily, _ name: String, _ desired: ObjectValue?, _ observed: ObjectValue?
    ) {
        if desired != nil, observed != nil { familiesToRebuild.insert(family) }
        if case .set(let definition?) = desired {
            sets.append(definition)
        } else if observed != nil {
            // Deleting needs the name alone.
            obsoleteSets.append(SetDefinition(family: family, table: Layout.table, name: name, key: []))
        }
    }
}

extension Changes {
    /// Adds everything that concerns a family to a batch, in an order that the kernel accepts: rules go before the sets
    /// and chains that they use, and come after them. Within each kind the order is that of a dry run.
    fileprivate func write(_ family: IPFamily, _ kernel: KernelMemory, to batch: inout Batch) {
        for table in tables where table.family == family { batch.add(table) }
        removeRules(family, kernel, from: &batch)
        forgetClients(family, in: &batch)
        for (set, elements) in obsoleteElements.inOrder(family)
        where !elements.isEmpty && !isObsolete(set) {
            batch.delete(elements, from: set.definition)
        }
        for set in obsoleteSets where set.family == family { batch.delete(set) }
        for chain in obsoleteChains where chain.family == family { batch.delete(chain) }

        if !chains.isEmpty {
            for chain in chains.filter({ $0.family == family }).sorted(by: Self.byLayout) { batch.add(chain) }
        }
        if !sets.isEmpty {
            for set in sets.filter({ $0.family == family }).sorted(by: Self.byLayout) { batch.add(set) }
        }
        for (set, elements) in elements.inOrder(family) where !elements.isEmpty {
            var run = batch.openElements(set.definition, adding: true)
            // Ranges are listed in the order in which they came, so they come as in a dry run.
            let ordered = set.definition.holdsRanges ? elements.sorted { $0.0 < $1.0 } : elements
            for (key, value) in ordered { batch.put(key, value, into: &run) }
            batch.close(run)
        }
        noteDepartures(family, in: &batch)
        addRules(family, to: &batch)
        for table in obsoleteTables where table.family == family { batch.delete(table) }
    }

    func isObsolete(_ set: SetID) -> Bool {
        obsoleteSets.contains { $0.family == set.family && $0.name == set.name }
    }

    private func removeRules(_ family: IPFamily, _ kernel: KernelMemory, from batch: inout Batch) {
        guard !rules.isEmpty || !strayRules.isEmpty || !obsoleteSharedRules.isEmpty else { return }
        for (chain, _, hadRules) in rules where hadRules && chain.family == family { batch.deleteRules(of: chain) }
        for (chain, handle, rule) in strayRules where chain.family == family {
            batch.deleteRules(of: chain, handle: handle, rule: rule)
        }
        for shared in obsoleteSharedRules.sorted() where shared.family == family {
            guard let handle = kernel.sharedRuleHandles[shared] else { continue }
            batch.deleteRules(of: chain(shared), handle: handle, rule: shared.rule)
        }
    }

    private func chain(_ shared: SharedRule) -> Chain {
        Chain(family: shared.family, table: Layout.table, name: shared.chain)
    }

    private func addRules(_ family: IPFamily, to batch: inout Batch) {
        guard !rules.isEmpty || !sharedRules.isEmpty else { return }
        let shared = Dictionary(grouping: sharedRules.filter { $0.family == family }.sorted(), by: \.chain)
        for name in ChainName.allCases {
            for (chain, rules, _) in rules where chain.family == family && chain.name == name.rawValue {
                for rule in rules { batch.add(rule, to: chain) }
            }
            for rule in shared[name.rawValue] ?? [] { batch.add(rule.rule, to: chain(rule)) }
        }
        for (name, rules) in shared.sorted(by: { $0.key < $1.key }) where ChainName(rawValue: name) == nil {
            for rule in rules { batch.add(rule.rule, to: chain(rule)) }
        }
    }

    private static func byLayout(_ left: Chain, _ right: Chain) -> Bool {
        func rank(_ chain: Chain) -> Int { ChainName.allCases.firstIndex { $0.rawValue == chain.name } ?? .max }
        return (rank(left), left.name) < (rank(right), right.name)
    }

    private static func byLayout(_ left: SetDefinition, _ right: SetDefinition) -> Bool {
        guard let first = SetID(left.family, name: left.name), let second = SetID(right.family, name: right.name) else {
            return left.name < right.name
        }
        return first < second
    }
}
