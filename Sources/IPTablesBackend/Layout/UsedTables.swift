internal import XTables

extension XTTable {
    /// The tables in which this backend keeps rules.
    static let used: [XTTable] = [.nat, .filter]
}
