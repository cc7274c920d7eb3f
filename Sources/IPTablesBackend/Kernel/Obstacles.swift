public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import XTables

// What others have that packets meet before us, or that stops them after us.

extension IPTablesBackend {
    /// Policies and rules of others, in tables of IPv4 and IPv6, that may keep connections from services: a sentence for
    /// each, which names the chain and the rule.
    ///
    /// Only what is plain is found: a policy, a rule without conditions, and a rule before our jump. What others' chains
    /// do under conditions is not followed.
    public mutating func obstacles() throws(BackendError) -> [String] {
        do {
            var found: [String] = []
            for family in IPFamily.allCases {
                for table in try read({ (socket) throws(NetlinkError) in try socket.tables(family) }) {
                    for chain in try read({ (socket) throws(NetlinkError) in try socket.chains(of: table) }) {
                        guard let hook = chain.hook, Self.isPassed(hook) else { continue }
                        let rules = try read { (socket) throws(NetlinkError) in try socket.rules(of: chain) }
                        found += Self.obstacles(chain, hook, rules.map { ChainRule($0.rule, family) })
                    }
                }
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

    private static func obstacles(_ chain: Chain, _ hook: Chain.Hook, _ rules: [ChainRule]) -> [String] {
        let name = "the chain \(chain.name) of the table \(chain.family == .ipv4 ? "ip" : "ip6") \(chain.table)"
        var found: [String] = []
        if !hook.acceptsByDefault {
            found.append("\(name) has the policy drop: it stops connections to endpoints that no rule of it accepts")
        }
        for rule in rules where rule.isUnconditional && rule.stops {
            let text = rule.text(chain.family)
            found.append("\(name) stops what gets as far as its rule `\(text)`: connections to endpoints among it")
        }
        guard hook.kind == .nat, XTTable.nat.rawValue == chain.table else { return found }
        let jump = Layout.jumps.first { $0.table == .nat && $0.base == chain.name }?.rule
        let before = jump.map { jump in rules.prefix { $0 != .known(jump) } } ?? []
        // Without our jump nobody is served, and nothing is before it.
        guard before.count < rules.count else { return found }
        for rule in before where rule.takes {
            found.append(
                "\(name) has the rule `\(rule.text(chain.family))` before svcctl's: it may take connections to services"
            )
        }
        return found
    }
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

    /// Whether what is meant may never come to the rules after this one.
    fileprivate var takes: Bool {
        switch verdict {
        case .verdict(.accept), .verdict(.drop), .verdict(.jump), .verdict(.goto), .target("DNAT", _, _),
            .target("REDIRECT", _, _), .target("NETMAP", _, _):
            true
        default: false
        }
    }
}
