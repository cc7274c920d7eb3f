public import Dataplane
internal import RulesetAccess
internal import XTables

// Of what we have in the kernel only chains are told of; the rest is looked at from time to time.

extension IPVSBackend {
    public mutating func startWatching() throws(BackendError) -> Int32? {
        try session.startWatching(tables: Set(Layout.tables.map(\.rawValue)))
    }

    public mutating func heardChanges() throws(BackendError) -> [ForeignChange] { try session.heardChanges() }

    public static var isAtomic: Bool { false }

    public static var longestTrust: Duration? { .seconds(30) }
}
