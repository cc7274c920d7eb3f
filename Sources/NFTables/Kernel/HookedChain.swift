internal import CNetfilter
public import Netlink
internal import NetlinkWire

/// A base chain of anybody's that packets of IPv4 or IPv6 may pass, in a table of any family that sees them.
public struct HookedChain: Hashable, Sendable {
    /// The family of the table.
    public enum Family: UInt8, Hashable, Sendable {
        /// Both IPv4 and IPv6 (`NFPROTO_INET`, linux/netfilter.h).
        case inet = 1
        case ip = 2
        case ip6 = 10
    }

    public let family: Family
    public let table: String
    public let name: String
    public let hook: Chain.Hook
}

extension HookedChain {
    /// Nil for a chain that nothing calls, and for one of a family or at a place that routed packets do not come by.
    fileprivate init?(_ message: Message) {
        guard let family = message.payload.first.flatMap(Family.init), let header = message.header,
            let object = nftnl_chain_alloc()
        else { return nil }
        defer { nftnl_chain_free(object) }
        guard nftnl_chain_nlmsg_parse(header, object) >= 0,
            let table = nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TABLE)),
            let name = nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_NAME)), let hook = Chain.Hook(object)
        else { return nil }
        self.family = family
        self.table = String(cString: table)
        self.name = String(cString: name)
        self.hook = hook
    }
}

extension NFTablesSocket {
    /// The base chains of all tables, whoever made them, in the order in which the kernel lists them. Those of a table
    /// that somebody has put to sleep are not called, and are left out.
    public mutating func hookedChains() throws(NetlinkError) -> [HookedChain] {
        var chains: [HookedChain] = []
        let dormant = try dormantTables()
        try get(NFT_MSG_GETCHAIN, .dump, "listing chains", familyNumber: 0) { _ in
        } onMessage: { message in
            if let chain = HookedChain(message), dormant[chain.family]?.contains(chain.table) != true {
                chains.append(chain)
            }
        }
        return chains
    }

    private mutating func dormantTables() throws(NetlinkError) -> [HookedChain.Family: Set<String>] {
        var tables: [HookedChain.Family: Set<String>] = [:]
        try get(NFT_MSG_GETTABLE, .dump, "listing tables", familyNumber: 0) { _ in
        } onMessage: { message in
            let attributes = message.attributes(after: netfilterHeaderLength)
            guard let family = message.payload.first.flatMap(HookedChain.Family.init),
                let flags: UInt32 = attributes.first(UInt16(NFTA_TABLE_FLAGS.rawValue))?.bigEndian(),
                flags & UInt32(NFT_TABLE_F_DORMANT.rawValue) != 0,
                let name = attributes.first(UInt16(NFTA_TABLE_NAME.rawValue))?.string
            else { return }
            tables[family, default: []].insert(name)
        }
        return tables
    }

    /// The rules of a base chain, in order; none if it is gone.
    public mutating func rules(of chain: HookedChain) throws(NetlinkError) -> [ObservedRule] {
        var rules: [ObservedRule] = []
        try get(NFT_MSG_GETRULE, .dump, "listing rules", familyNumber: chain.family.rawValue) { buffer in
            buffer.attribute(UInt16(NFTA_RULE_TABLE.rawValue), string: chain.table)
            buffer.attribute(UInt16(NFTA_RULE_CHAIN.rawValue), string: chain.name)
        } onMessage: { message in
            if let rule = ObservedRule(message), rule.chain == chain.name { rules.append(rule) }
        }
        return rules
    }
}
