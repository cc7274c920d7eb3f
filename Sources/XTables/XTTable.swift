public import NFTables
public import NetAddress

/// The tables of iptables that services need, as iptables-nft makes them in nf_tables.
///
/// Tables are shared: other programs keep rules in the same ones. iptables takes a table for its own as long as base
/// chains have its names, types, hooks and priorities, and all rules are of a kind that it makes.
public enum XTTable: String, Hashable, Sendable, CaseIterable {
    case nat
    case filter
    case mangle

    /// The nf_tables table.
    public func table(_ family: IPFamily) -> Table { Table(family: family, name: rawValue) }

    /// The chain of a name, with its hook if it is a base chain.
    public func chain(_ name: String, _ family: IPFamily) -> Chain {
        Chain(family: family, table: rawValue, name: name, hook: hooks.first { $0.name == name }?.hook)
    }

    /// The chains that the packet path calls, in the order in which iptables lists them. The policy is accept.
    public func baseChains(_ family: IPFamily) -> [Chain] {
        hooks.map { Chain(family: family, table: rawValue, name: $0.name, hook: $0.hook) }
    }

    /// Whether the name is that of a base chain.
    public func isBaseChain(_ name: String) -> Bool { hooks.contains { $0.name == name } }

    /// Priorities are `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC`, `NF_IP_PRI_FILTER` and `NF_IP_PRI_MANGLE`
    /// (linux/netfilter_ipv4.h), which are the same in IPv6.
    private var hooks: [(name: String, hook: Chain.Hook)] {
        switch self {
        case .nat:
            [
                ("PREROUTING", Chain.Hook(kind: .nat, point: .prerouting, priority: -100)),
                ("INPUT", Chain.Hook(kind: .nat, point: .input, priority: 100)),
                ("OUTPUT", Chain.Hook(kind: .nat, point: .output, priority: -100)),
                ("POSTROUTING", Chain.Hook(kind: .nat, point: .postrouting, priority: 100)),
            ]
        case .filter:
            [
                ("INPUT", Chain.Hook(kind: .filter, point: .input, priority: 0)),
                ("FORWARD", Chain.Hook(kind: .filter, point: .forward, priority: 0)),
                ("OUTPUT", Chain.Hook(kind: .filter, point: .output, priority: 0)),
            ]
        case .mangle:
            [
                ("PREROUTING", Chain.Hook(kind: .filter, point: .prerouting, priority: -150)),
                ("INPUT", Chain.Hook(kind: .filter, point: .input, priority: -150)),
                ("FORWARD", Chain.Hook(kind: .filter, point: .forward, priority: -150)),
                // What changes a packet's mark here has it routed again.
                ("OUTPUT", Chain.Hook(kind: .route, point: .output, priority: -150)),
                ("POSTROUTING", Chain.Hook(kind: .filter, point: .postrouting, priority: -150)),
            ]
        }
    }
}
