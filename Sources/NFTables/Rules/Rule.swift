public import NetAddress

/// A rule: what is compared, and what is printed.
///
/// Two rules are equal if the kernel would do the same. The statements are only known for rules that were made here;
/// for a rule that was read from the kernel there are its instructions alone.
public struct Rule: Sendable {
    public let expressions: [Expression]
    /// The rule in nft's language; nil if it was read from the kernel.
    public let statements: [Statement]?
    /// What extensions of the older packet filter are told about the rule; nil for a rule that has none. The kernel does
    /// not give it back.
    public var compatibility: Compatibility?

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

    /// A rule of the older packet filter, for matches and targets that must know the protocol.
    public init(_ expressions: [Expression], compatibility: Compatibility) {
        self.expressions = expressions
        self.compatibility = compatibility
        statements = nil
    }

    /// What `nft_compat` tells an extension about the rule that it is in (`NFTA_RULE_COMPAT`).
    public struct Compatibility: Hashable, Sendable {
        /// The IP protocol that the rule matches (IANA registry); 0 for any.
        public var protocolNumber: UInt8
        /// Whether the rule matches every protocol but that one (`NFT_RULE_COMPAT_F_INV`).
        public var isInverted: Bool

        public init(protocolNumber: UInt8, isInverted: Bool = false) {
            self.protocolNumber = protocolNumber
            self.isInverted = isInverted
        }
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
