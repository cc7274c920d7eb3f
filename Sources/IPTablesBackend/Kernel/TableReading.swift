internal import NFTables
internal import NetAddress
internal import Netlink
internal import XTables
internal import RulesetAccess

/// A rule as it was found.
struct FoundRule {
    let handle: UInt64
    let rule: ChainRule
    /// How many packets it has met.
    let packets: UInt64

    init(_ observed: ObservedRule, _ family: IPFamily) {
        handle = observed.handle
        rule = ChainRule(observed.rule, family)
        packets = observed.counter?.packets ?? 0
    }
}

/// What a table has that concerns us.
struct TableContent {
    /// Base chains that lead to us.
    var bases: [(chain: Chain, rules: [FoundRule])] = []
    /// Chains that are ours.
    var ours: [(name: String, rules: [FoundRule])] = []
    /// Chains that have a name of ours, but are somebody else's.
    var foreign: [(name: String, rules: [FoundRule])] = []
}

extension IPTablesBackend {
    /// Reads base chains and all that have our names, chain by chain: the kernel takes time quadratic in a table for a
    /// dump of all of it.
    mutating func content(of table: XTTable, _ family: IPFamily) throws(KernelError) -> TableContent {
        let chains = try read { (socket) throws(NetlinkError) in try socket.chains(of: table.table(family)) }
        let bases = Set(table.baseChains(family).map(\.name))
        var content = TableContent()
        var named: [String: [FoundRule]] = [:]
        for chain in chains {
            if bases.contains(chain.name) {
                let leadsToUs = Layout.jumps.contains { $0.table == table && $0.base == chain.name }
                let rules = leadsToUs ? try rules(of: chain) : []
                content.bases.append((chain, rules))
            } else if chain.name.hasPrefix(ChainName.prefix) {
                let rules = try rules(of: chain)
                // None of our own is called from a hook.
                if chain.hook == nil { named[chain.name] = rules } else { content.foreign.append((chain.name, rules)) }
            }
        }
        let jumps = content.bases.flatMap(\.rules).map(\.rule).filter(\.isJumpOfOurs)
        let ours = Self.owned(named, led: jumps.compactMap(\.destination))
        for (name, rules) in named.sorted(by: { $0.key < $1.key }) {
            if ours.contains(name) { content.ours.append((name, rules)) } else { content.foreign.append((name, rules)) }
        }
        return content
    }

    private mutating func rules(of chain: Chain) throws(KernelError) -> [FoundRule] {
        try read { (socket) throws(NetlinkError) in try socket.rules(of: chain) }.map { FoundRule($0, chain.family) }
    }

    /// Chains with a mark, empty ones with a name that we give, and those that such chains and our jumps lead to: a rule
    /// with a mark may have been changed by hand.
    private static func owned(_ chains: [String: [FoundRule]], led: [String]) -> Set<String> {
        var owned: Set<String> = []
        var next =
            chains.filter { name, rules in
                rules.isEmpty ? ChainName.isGiven(name) : rules.contains(where: \.rule.isMark)
            }.map(\.key) + led
        while let name = next.popLast() {
            guard let rules = chains[name], owned.insert(name).inserted else { continue }
            next += rules.compactMap(\.rule.destination).filter { !owned.contains($0) }
        }
        return owned
    }
}

extension ChainName {
    /// Whether we name chains so.
    static func isGiven(_ name: String) -> Bool {
        if Fixed(rawValue: name) != nil || XTTable.used.contains(where: { SharedPlace($0, name) != nil }) {
            return true
        }
        return isHashed(name)
    }

    /// Whether the name stands for a chain of a single service. Nobody else comes upon it by accident.
    static func isHashed(_ name: String) -> Bool {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 3 && Kind(rawValue: String(parts[1])) != nil && parts[2].utf8.count == 16
    }
}
