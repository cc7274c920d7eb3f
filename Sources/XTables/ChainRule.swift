public import NFTables
public import NetAddress

/// A rule that was found in a chain, as far as we know what it means.
public enum ChainRule: Hashable, Sendable {
    case known(XTRule)
    /// A rule that none of ours is like.
    case other(Rule)

    public init(_ observed: Rule, _ family: IPFamily, sets: SetIndices = SetIndices()) {
        self = XTRule(observed.expressions, family, sets: sets).map { .known($0) } ?? .other(observed)
    }

    /// The rule as a message wants it.
    public func rule(_ family: IPFamily, sets: SetIndices = SetIndices()) -> Rule {
        switch self {
        case .known(let rule): rule.rule(family, sets: sets)
        case .other(let rule): rule
        }
    }

    /// As iptables-save prints it; for a rule that we do not know, the kernel's instructions.
    public func text(_ family: IPFamily) -> String {
        switch self {
        case .known(let rule): rule.text(family)
        case .other(let rule): "(\(rule))"
        }
    }

    /// The rule, if it is one that we know.
    public var known: XTRule? { if case .known(let rule) = self { rule } else { nil } }

    /// Whether a comment of the rule begins so.
    public func hasComment(startingWith prefix: String) -> Bool {
        switch self {
        case .known(let rule):
            rule.matches.contains { match in
                if case .comment(let text) = match { text.hasPrefix(prefix) } else { false }
            }
        case .other(let rule):
            rule.expressions.contains { expression in
                if case .match("comment", _, let text) = expression { text.starts(with: prefix.utf8) } else { false }
            }
        }
    }

    /// The chain that the rule leads to.
    public var destination: String? {
        switch self {
        case .known(let rule):
            switch rule.target {
            case .jump(let chain), .goto(let chain): return chain
            default: return nil
            }
        case .other(let rule):
            switch rule.expressions.last {
            case .verdict(.jump(let chain)), .verdict(.goto(let chain)): return chain
            default: return nil
            }
        }
    }
}
