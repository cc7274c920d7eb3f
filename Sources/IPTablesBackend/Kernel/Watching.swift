public import Dataplane
internal import RulesetAccess
internal import XTables

// Who else changes the tables of iptables. They are everybody's, so that much of what is heard is about others' chains,
// and costs a look at ours all the same.

extension IPTablesBackend {
    public mutating func startWatching() throws(BackendError) -> Int32? {
        try session.startWatching(tables: Set(XTTable.used.map(\.rawValue)))
    }

    public mutating func heardChanges() throws(BackendError) -> [ForeignChange] { try session.heardChanges() }
}
