internal import Dataplane
internal import NFTables
internal import NetAddress
internal import RulesetAccess
internal import XTables

extension IPVSBackend {
    /// Carries out what differs in chains, in one transaction.
    mutating func changeChains(_ changes: Changes) throws(BackendError) {
        guard changes.concernsChains else { return }
        do throws(KernelError) {
            do throws(KernelError) {
                try changeChains(changes, after: session.generation)
            } catch {
                // Others changed something meanwhile. The kernel refuses as a whole what no longer fits.
                guard error.isStale else { throw error }
                try changeChains(changes, after: nil)
            }
        } catch {
            throw explain(error, changes)
        }
    }

    /// - Parameter known: the generation of the ruleset that the change is meant for; nil for any.
    private mutating func changeChains(_ changes: Changes, after known: UInt32?) throws(KernelError) {
        let indices = try setIndices()
        var batch = Batch(generation: known)
        let concerned = concernedTables(changes)
        for (family, tables) in concerned {
            for table in Layout.tables where tables.contains(table) {
                chains.bases.addMissing(of: table, family, to: &batch)
            }
        }
        for change in changes.chains where !change.isThere { batch.add(change.found) }
        for stray in changes.strayRules {
            let chain = Chain(family: stray.family, table: stray.table.rawValue, name: stray.chain)
            batch.deleteRules(of: chain, handle: stray.handle)
        }
        for change in changes.chains {
            if change.isThere { batch.deleteRules(of: change.found) }
            for rule in change.desired ?? [] { batch.add(rule.rule(change.family, sets: indices), to: change.found) }
        }
        for change in changes.chains where change.desired == nil { batch.delete(change.found) }
        for jump in changes.jumps {
            batch.insert(
                jump.rule.rule(jump.family, sets: indices), atStartOf: jump.table.chain(jump.base, jump.family))
        }
        try session.commit(batch)
        // A guarded transaction makes exactly one generation.
        session.generation = known.map { $0 &+ 1 }
        for (family, tables) in concerned { for table in tables { chains.bases.insertAll(of: table, family) } }
    }

    private func concernedTables(_ changes: Changes) -> [IPFamily: Set<XTTable>] {
        var tables: [IPFamily: Set<XTTable>] = [:]
        for change in changes.chains { tables[change.family, default: []].insert(change.table) }
        for jump in changes.jumps { tables[jump.family, default: []].insert(jump.table) }
        return tables
    }
}

extension Changes.ChainChange {
    fileprivate var found: Chain { Chain(family: family, table: table.rawValue, name: name) }
}
