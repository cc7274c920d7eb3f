public import NFTables
public import NetAddress
public import XTables

/// What the kernel has of the tables and base chains of iptables, which are everybody's: whoever comes first makes them.
public struct BaseChains: Sendable {
    private struct Place: Hashable {
        let family: IPFamily
        let table: XTTable
        /// Nil for the table itself.
        let chain: String?
    }

    private var places: Set<Place> = []

    /// None is there.
    public init() {}

    /// Notes that a table is there.
    public mutating func insert(_ table: XTTable, _ family: IPFamily) {
        places.insert(Place(family: family, table: table, chain: nil))
    }

    /// Notes that a base chain is there.
    public mutating func insert(_ chain: Chain, of table: XTTable) {
        places.insert(Place(family: chain.family, table: table, chain: chain.name))
    }

    /// Notes that a table and all of its base chains are there.
    public mutating func insertAll(of table: XTTable, _ family: IPFamily) {
        insert(table, family)
        for chain in table.baseChains(family) { insert(chain, of: table) }
    }

    /// Makes what iptables makes before a table is used for the first time, as far as it is missing.
    public func addMissing(of table: XTTable, _ family: IPFamily, to batch: inout Batch) {
        if !places.contains(Place(family: family, table: table, chain: nil)) { batch.add(table.table(family)) }
        for chain in table.baseChains(family)
        where !places.contains(Place(family: family, table: table, chain: chain.name)) {
            batch.add(chain)
        }
    }

    /// A chain of a base chain's name that nothing calls, or at another place, is not what iptables makes.
    public static func check(_ chain: Chain, _ table: XTTable) throws(KernelError) {
        let expected = table.chain(chain.name, chain.family).hook
        guard let hook = chain.hook, hook.kind == expected?.kind, hook.point == expected?.point else {
            throw .foreign(
                "the chain \(chain.name) of the table \(chain.family == .ipv4 ? "ip" : "ip6") \(chain.table) is not what "
                    + "iptables makes: it has another type or hook")
        }
    }
}
