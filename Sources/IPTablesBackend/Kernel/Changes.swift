internal import Dataplane
internal import NFTables
internal import NetAddress
internal import XTables

/// All that differs, sorted by what has to be done about it.
struct Changes {
    struct ChainChange {
        let family: IPFamily
        let table: XTTable
        let name: String
        /// Nil for a chain that goes.
        let desired: [ChainRule]?
        /// Nil for a chain that is not there.
        let observed: [ChainRule]?

        var key: ObjectKey { .chain(family, table, name) }
        var chain: Chain { Chain(family: family, table: table.rawValue, name: name) }
        var isShared: Bool { SharedPlace(table, name) != nil }
    }

    struct EntryChange {
        let key: EntryKey
        /// Nil for a rule that goes.
        let desired: ChainRule?
        let isThere: Bool

        var chain: Chain { Chain(family: key.family, table: key.list.table.rawValue, name: key.chainName) }
    }

    private(set) var chains: [ChainChange] = []
    private(set) var entries: [EntryChange] = []
    /// Rules to put at the start of base chains.
    private(set) var jumps: [(family: IPFamily, table: XTTable, base: String, rule: ChainRule)] = []
    /// Rules to delete by their handles.
    private(set) var strays: [(family: IPFamily, table: XTTable, name: String, handle: UInt64, rule: ChainRule?)] = []
    private(set) var summary = ChangeSummary()
    private var places: Set<BasePlace> = []

    init(_ state: borrowing DeltaTracker<ObjectKey, ObjectValue>) {
        state.forEachDifference { key, desired, observed in add(key, desired, observed) }
        chains.sort { ($0.family, $0.table.rawValue, $0.name) < ($1.family, $1.table.rawValue, $1.name) }
        entries.sort { $0.key < $1.key }
    }

    private mutating func add(_ key: ObjectKey, _ desired: ObjectValue?, _ observed: ObjectValue?) {
        switch (desired, observed) {
        case (nil, _): summary.removed += 1
        case (_, nil): summary.added += 1
        default: summary.changed += 1
        }
        switch key {
        case .chain(let family, let table, let name):
            places.insert(BasePlace(family: family, table: table, chain: nil))
            chains.append(
                ChainChange(
                    family: family, table: table, name: name, desired: desired.map { ObjectValue?.some($0).rules },
                    observed: observed.map { ObjectValue?.some($0).rules }))
        case .entry(let entry):
            places.insert(BasePlace(family: entry.family, table: entry.list.table, chain: nil))
            entries.append(EntryChange(key: entry, desired: desired.rules.first, isThere: observed != nil))
        case .jump(let family, let table, let base):
            places.insert(BasePlace(family: family, table: table, chain: nil))
            if let rule = desired.rules.first { jumps.append((family, table, base, rule)) }
        case .stray(let family, let table, let name, let handle):
            strays.append((family, table, name, handle, observed.rules.first))
        }
    }

    /// Whether anything of a table changes.
    func concern(_ table: XTTable, _ family: IPFamily) -> Bool {
        places.contains(BasePlace(family: family, table: table, chain: nil))
    }

    // MARK: - The transaction

    /// The changes in an order that the kernel accepts: chains come before the rules that lead to them, and go after.
    func batch(_ kernel: KernelMemory, generation: UInt32?) -> Batch {
        let rules = chains.reduce(entries.count) { $0 + ($1.desired?.count ?? 0) }
        var batch = Batch(generation: generation, capacity: 4096 + rules * 512)
        makeBases(kernel, &batch)
        // Somebody may have made one of the name since.
        for change in chains where change.observed == nil { batch.add(change.chain, isNew: true) }
        removeRules(kernel, &batch)
        addRules(kernel, &batch)
        for change in chains where change.desired == nil && !kernel.held.contains(change.key) {
            batch.delete(change.chain)
        }
        for (family, table, base, rule) in jumps {
            batch.insert(rule.rule(family), atStartOf: table.chain(base, family))
        }
        return batch
    }

    /// What iptables makes before it is used for the first time.
    private func makeBases(_ kernel: KernelMemory, _ batch: inout Batch) {
        for family in IPFamily.allCases {
            for table in XTTable.used where concern(table, family) {
                if !kernel.bases.contains(BasePlace(family: family, table: table, chain: nil)) {
                    batch.add(table.table(family))
                }
                for base in table.baseChains(family)
                where !kernel.bases.contains(BasePlace(family: family, table: table, chain: base.name)) {
                    batch.add(base)
                }
            }
        }
    }

    private func removeRules(_ kernel: KernelMemory, _ batch: inout Batch) {
        for change in chains {
            guard let observed = change.observed, !observed.isEmpty else { continue }
            guard change.isShared, change.desired != nil else {
                batch.deleteRules(of: change.chain)
                continue
            }
            for handle in kernel.ownHandles[change.key] ?? [] { batch.deleteRules(of: change.chain, handle: handle) }
        }
        let going = Set(chains.filter { $0.desired == nil }.map(\.key))
        for (family, table, name, handle, rule) in strays where !going.contains(.chain(family, table, name)) {
            let chain = Chain(family: family, table: table.rawValue, name: name)
            batch.deleteRules(of: chain, handle: handle, rule: rule?.rule(family))
        }
        for change in entries where change.desired == nil && !going.contains(change.key.chainKey) {
            guard let handle = kernel.entryHandles[change.key] else { continue }
            batch.deleteRules(of: change.chain, handle: handle)
        }
    }

    private func addRules(_ kernel: KernelMemory, _ batch: inout Batch) {
        let newShared = Set(chains.filter { $0.observed == nil && $0.isShared }.map(\.key))
        var first: [(Chain, Rule)] = []
        for change in entries {
            guard let desired = change.desired else { continue }
            let rule = desired.rule(change.key.family)
            if newShared.contains(change.key.chainKey) {
                batch.add(rule, to: change.chain)
            } else if change.isThere, let handle = kernel.entryHandles[change.key] {
                batch.replace(handle, with: rule, in: change.chain)
            } else {
                first.append((change.chain, rule))
            }
        }
        for (chain, rule) in first.reversed() { batch.insert(rule, atStartOf: chain) }
        for change in chains {
            for rule in change.desired ?? [] { batch.add(rule.rule(change.family), to: change.chain) }
        }
    }
}
