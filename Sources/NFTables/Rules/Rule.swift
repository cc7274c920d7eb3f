public import NetAddress

/// A rule: what is compared, and what is printed.
///
/// Two rules are equal if the kernel would do the same. The statements are only known for rules that were made here;
/// for a rule that was read from the kernel there are its instructions alone.
public struct Rule: Sendable {
    public let expressions: [Expression]
    /// The rule in nft's language; nil if it was read from the kernel.
    public let statements: [Statement]?

    /// A rule for a table of this family.
    public init(_ family: IPFamily, _ statements: [Statement]) {
        expressions = statements.flatMap { $0.expressions(family) }
        self.statements = statements
    }

    /// A rule as the kernel has it.
    public init(observed expressions: [Expression]) {
        self.expressions = expressions
        statements = nil
    }

    /// The sets and maps that the rule looks into.
    public var sets: [String] {
        expressions.compactMap { expression in
            switch expression {
            case .lookup(let set, _, _, _): set
            case .updateSet(_, let set, _, _, _, _): set
            default: nil
            }
        }
    }
}

extension Rule: Hashable {
    public static func == (left: Rule, right: Rule) -> Bool { left.expressions == right.expressions }
    public func hash(into hasher: inout Hasher) { hasher.combine(expressions) }
}

extension Rule: CustomStringConvertible {
    /// nft's language where it is known, else the kernel's instructions.
    public var description: String {
        statements.map { $0.map(\.text).joined(separator: " ") }
            ?? expressions.map(\.description).joined(separator: " ")
    }
}
