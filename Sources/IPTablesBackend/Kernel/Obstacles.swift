public import Dataplane
internal import NFTables
internal import NetAddress
internal import RulesetAccess
internal import Netlink
internal import XTables

// What others have that packets meet before us, or that stops them after us.

extension IPTablesBackend {
    /// Policies and rules of others, in tables of every family that sees IP, that may keep connections from services: a
    /// sentence for each, which names the chain and the rule.
    ///
    /// Only what is plain is found: a policy, a rule without conditions, and a rule before our jump. What others' chains
    /// do under conditions is not followed.
    public mutating func obstacles() throws(BackendError) -> [String] {
        do {
            var found: [String] = []
            for chain in try read({ (socket) throws(NetlinkError) in try socket.hookedChains() }) {
                guard Self.isPassed(chain.hook) else { continue }
                let rules = try read { (socket) throws(NetlinkError) in try socket.rules(of: chain) }
                found += Self.obstacles(chain, rules.map { chain.rule($0.rule) })
            }
            return found
        } catch {
            throw error.backendError
        }
    }

    /// Whether connections to services pass a hook, on their way to endpoints elsewhere or on this node.
    private static func isPassed(_ hook: Chain.Hook) -> Bool {
        switch hook.point {
        case .prerouting, .forward, .output: true
        case .input, .postrouting: false
        }
    }

    private static func obstacles(_ chain: HookedChain, _ rules: [ChainRule]) -> [String] {
        let name = "the chain \(chain.name) of the table \(chain.family) \(chain.table)"
        var found: [String] = []
        if !chain.hook.acceptsByDefault {
            found.append("\(name) has the policy drop: it stops connections to endpoints that no rule of it accepts")
        }
        for rule in rules where rule.isUnconditional && rule.stops {
            let text = chain.text(rule)
            found.append("\(name) stops what gets as far as its rule `\(text)`: connections to endpoints among it")
        }
        for rule in taking(chain, rules) {
            found.append(
                "\(name) has the rule `\(chain.text(rule))` before svcctl's: it may take connections to services")
        }
        return found
    }

    /// The rules that may decide on a connection's destination before ours do.
    private static func taking(_ chain: HookedChain, _ rules: [ChainRule]) -> [ChainRule] {
        guard chain.hook.kind == .nat else { return [] }
        // Chains that are called earlier: what they do not translate comes to ours.
        if chain.hook.priority < natPriority { return rules.filter(\.translates) }
        guard chain.family != .inet, chain.table == XTTable.nat.rawValue,
            let jump = Layout.jumps.first(where: { $0.table == .nat && $0.base == chain.name })?.rule,
            // Without our jump nobody is served, and nothing is before it.
            let place = rules.firstIndex(of: .known(jump))
        else { return [] }
        return rules[..<place].filter(\.takes)
    }

    /// `NF_IP_PRI_NAT_DST` (linux/netfilter_ipv4.h), where destinations are translated.
    private static let natPriority: Int32 = -100
}

extension HookedChain {
    /// The family in which rules read as iptables' own; nil for tables that iptables has no business in.
    private var addresses: IPFamily? {
        switch family {
        case .ip: .ipv4
        case .ip6: .ipv6
        case .inet: nil
        }
    }

    fileprivate func rule(_ rule: Rule) -> ChainRule { addresses.map { ChainRule(rule, $0) } ?? .other(rule) }
    fileprivate func text(_ rule: ChainRule) -> String { rule.text(addresses ?? .ipv4) }
}

extension ChainRule {
    private var verdict: Expression? {
        switch self {
        case .known(let rule): rule.target.flatMap { _ in rule.expressions(.ipv4).last }
        case .other(let rule): rule.expressions.last
        }
    }

    /// Whether every packet that comes as far is meant. A comment is no condition, and counting is none.
    fileprivate var isUnconditional: Bool {
        switch self {
        case .known(let rule):
            rule.matches.allSatisfy { if case .comment = $0 { true } else { false } }
        case .other(let rule): rule.expressions.dropLast().allSatisfy { $0 == .counter }
        }
    }

    /// Whether what is meant goes no further.
    fileprivate var stops: Bool {
        switch verdict {
        case .verdict(.drop), .reject, .target("REJECT", _, _): true
        default: false
        }
    }

    /// Whether what is meant gets another destination.
    fileprivate var translates: Bool {
        switch verdict {
        case .target("DNAT", _, _), .target("REDIRECT", _, _), .target("NETMAP", _, _), .destinationNAT,
            .other("nat"), .other("redir"):
            true
        default: false
        }
    }

    /// Whether what is meant may never come to the rules after this one.
    fileprivate var takes: Bool {
        switch verdict {
        case .verdict(.accept), .verdict(.drop), .verdict(.jump), .verdict(.goto): true
        default: translates
        }
    }
}
