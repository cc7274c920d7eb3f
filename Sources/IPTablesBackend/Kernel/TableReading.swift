internal import NFTables
internal import NetAddress
internal import Netlink
internal import XTables

/// What a table has that concerns us.
struct TableContent {
    /// Base chains that lead to us.
    var bases: [(chain: Chain, rules: [ObservedRule])] = []
    /// Chains that are ours.
    var ours: [(name: String, rules: [ObservedRule])] = []
    /// Chains that have a name of ours, but are somebody else's.
    var foreign: [(name: String, rules: [ObservedRule])] = []
}

extension IPTablesBackend {
    /// Reads base chains and all that have our names, chain by chain: the kernel takes time quadratic in a table for a
    /// dump of all of it.
    mutating func content(of table: XTTable, _ family: IPFamily) throws(KernelError) -> TableContent {
        let chains = try read { (socket) throws(NetlinkError) in try socket.chains(of: table.table(family)) }
        let bases = Set(table.baseChains(family).map(\.name))
        var content = TableContent()
        var named: [String: [ObservedRule]] = [:]
        for chain in chains {
            if bases.contains(chain.name) {
                let leadsToUs = Layout.jumps.contains { $0.table == table && $0.base == chain.name }
                let rules = leadsToUs ? try rules(of: chain) : []
                content.bases.append((chain, rules))
            } else if chain.name.hasPrefix(ChainName.prefix), chain.hook == nil {
                named[chain.name] = try rules(of: chain)
            }
        }
        let ours = Self.owned(named, family)
        for (name, rules) in named.sorted(by: { $0.key < $1.key }) {
            if ours.contains(name) { content.ours.append((name, rules)) } else { content.foreign.append((name, rules)) }
        }
        return content
    }

    private mutating func rules(of chain: Chain) throws(KernelError) -> [ObservedRule] {
        try read { (socket) throws(NetlinkError) in try socket.rules(of: chain) }
    }

    /// Chains with a mark, empty ones with a name that we give, and those that such chains lead to: a rule with a mark
    /// may have been changed by hand.
    private static func owned(_ chains: [String: [ObservedRule]], _ family: IPFamily) -> Set<String> {
        var owned: Set<String> = []
        var next = chains.filter { name, rules in
            rules.isEmpty ? ChainName.isGiven(name) : rules.contains { ChainRule($0.rule, family).isMark }
        }.map(\.key)
        while let name = next.popLast() {
            guard let rules = chains[name], owned.insert(name).inserted else { continue }
            next += rules.compactMap { ChainRule($0.rule, family).destination }.filter { !owned.contains($0) }
        }
        return owned
    }
}

extension ChainName {
    /// Whether we name chains so.
    static func isGiven(_ name: String) -> Bool {
        if Fixed(rawValue: name) != nil { return true }
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 3 && Kind(rawValue: String(parts[1])) != nil && parts[2].utf8.count == 16
    }
}
