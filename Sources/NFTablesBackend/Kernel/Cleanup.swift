public import Dataplane
internal import NetAddress
internal import NFTables
internal import Netlink
internal import RulesetAccess

extension NFTablesBackend {
    /// Deletes our tables in one transaction. Tables of our name that are not ours are left alone.
    public mutating func removeAll() throws(BackendError) -> ChangeSummary {
        do {
            var tables: [Table] = []
            for family in IPFamily.allCases {
                let found = try read { (socket) throws(NetlinkError) in try socket.tables(family) }
                tables += found.filter { $0.name == Layout.table && $0.comment == Layout.mark }
            }
            guard !tables.isEmpty else { return ChangeSummary() }
            var batch = Batch(generation: nil)
            for table in tables { batch.delete(table) }
            try session.commit(batch)
            kernel = KernelMemory()
            session.generation = nil
            isRecordCurrent = false
            return ChangeSummary(removed: tables.count)
        } catch {
            throw error.backendError
        }
    }
}
