internal import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import XTables
internal import RulesetAccess

// Rules of others that lead to chains of ours. The kernel keeps a chain as long as there are any, and refuses the whole
// transaction that would delete it: one such rule must not stand in the way of everything else.

/// A rule of somebody else's that leads to a chain of ours.
struct Holder {
    /// The chain of ours.
    let key: ObjectKey
    /// The chain that the rule is in.
    let place: String
    let rule: ChainRule

    /// The rule as the administrator knows it.
    var text: String {
        guard case .chain(let family, let table, _) = key else { return rule.text(key.family) }
        let tool = family == .ipv4 ? "iptables" : "ip6tables"
        return "`\(tool) -t \(table.rawValue) -A \(place) \(rule.text(family))`"
    }
}

extension IPTablesBackend {
    /// Takes note of which chains that are to go must stay; false if there is nothing new to note.
    mutating func holdChains(_ changes: Changes) throws(BackendError) -> Bool {
        let going = Set(changes.chains.filter { $0.desired == nil }.map(\.key))
        do {
            let held = Set(try holders().map(\.key)).intersection(going)
            defer { kernel.held = held }
            return !held.isSubset(of: kernel.held)
        } catch {
            throw error.backendError
        }
    }

    /// The rules of others that lead to any chain of ours, in all tables.
    mutating func holders() throws(KernelError) -> [Holder] {
        var holders: [Holder] = []
        for family in IPFamily.allCases {
            for table in try tables(family) {
                let ours = try content(of: table, family).ours.map(\.name)
                holders += try self.holders(of: ours, among: ours, table, family)
            }
        }
        return holders
    }

    /// The rules of others that lead to some of our chains.
    mutating func holders(
        of names: [String], among ours: [String], _ table: XTTable, _ family: IPFamily
    ) throws(KernelError) -> [Holder] {
        if names.isEmpty { return [] }
        let (names, ours) = (Set(names), Set(ours))
        var holders: [Holder] = []
        for chain in try read({ (socket) throws(NetlinkError) in try socket.chains(of: table.table(family)) })
        where !ours.contains(chain.name) {
            for observed in try read({ (socket) throws(NetlinkError) in try socket.rules(of: chain) }) {
                let rule = ChainRule(observed.rule, family)
                guard let destination = rule.destination, names.contains(destination),
                    !rule.isJumpOfOurs || !table.isBaseChain(chain.name)
                else { continue }
                holders.append(Holder(key: .chain(family, table, destination), place: chain.name, rule: rule))
            }
        }
        return holders
    }
}
