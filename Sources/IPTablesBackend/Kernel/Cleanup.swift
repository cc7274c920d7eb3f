public import Dataplane
internal import NFTables
internal import NetAddress
internal import XTables
internal import RulesetAccess

extension IPTablesBackend {
    /// Deletes our jumps and chains in one transaction. Everything else in the tables is left alone, as are the tables
    /// themselves: iptables leaves empty ones behind too.
    public mutating func removeAll() throws(BackendError) -> ChangeSummary {
        do {
            var batch = Batch(generation: nil)
            var removed = 0
            for family in IPFamily.allCases {
                for table in try tables(family) {
                    removed += Self.remove(try content(of: table, family), table, family, in: &batch)
                }
            }
            guard removed > 0 else { return ChangeSummary() }
            try session.commit(batch)
            kernel = KernelMemory()
            session.generation = nil
            return ChangeSummary(removed: removed)
        } catch {
            if error.isInUse, let holder = try? holders().first {
                throw BackendError(
                    .refused,
                    "the rule \(holder.text) was not made by svcctl, but leads to a chain of svcctl's: delete it first")
            }
            throw error.backendError
        }
    }

    private static func remove(
        _ content: TableContent, _ table: XTTable, _ family: IPFamily, in batch: inout Batch
    ) -> Int {
        var removed = content.ours.count
        for (base, rules) in content.bases {
            for observed in rules where observed.rule.isJumpOfOurs {
                batch.deleteRules(of: base, handle: observed.handle, rule: observed.rule.rule(family))
                removed += 1
            }
        }
        let chains = content.ours.map { (Chain(family: family, table: table.rawValue, name: $0.name), $0.rules) }
        for (chain, rules) in chains where !rules.isEmpty { batch.deleteRules(of: chain) }
        for (chain, _) in chains { batch.delete(chain) }
        return removed
    }
}
