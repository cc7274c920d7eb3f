public import Dataplane
internal import NFTables
internal import RulesetAccess

// Who else changes the ruleset: others' work on their own tables costs us nothing.

extension NFTablesBackend {
    public mutating func startWatching() throws(BackendError) -> Int32? {
        try startWatching(bufferSize: NFTablesMonitor.usualBufferSize)
    }

    package mutating func startWatching(bufferSize: Int32) throws(BackendError) -> Int32? {
        try session.startWatching(tables: [Layout.table], bufferSize: bufferSize)
    }

    public mutating func heardChanges() throws(BackendError) -> [ForeignChange] {
        let changes = try session.heardChanges()
        recordGeneration()
        return changes
    }
}
