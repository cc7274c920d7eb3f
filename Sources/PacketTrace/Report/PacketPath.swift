public import NFTables
internal import NetAddress

/// What becomes of a packet.
public enum Outcome: Hashable, Sendable {
    /// It reaches an address other than the one it was sent to, or with another source.
    case delivered(to: SocketAddress, masqueraded: Bool)
    /// Its sender gets an error.
    case refused
    /// It is gone without a word.
    case dropped
    /// It goes on to where it was sent, with the source that it had.
    case unchanged
}

/// What the trace takes for granted about limits, whose state no ruleset shows.
public enum LimitAssumption: Hashable, Sendable {
    /// Nobody has used up a limit.
    case within
    /// Everybody has used up every limit.
    case exceeded
}

/// The way of a packet through a ruleset.
public struct PacketPath: Sendable {
    public let packet: Packet
    /// The chains that the packet path called, in order.
    public let stages: [Stage]
    /// What becomes of the packet: the most probable first. Probabilities add up to 1.
    public let outcomes: [(outcome: Outcome, probability: Fraction)]
    /// The comments of the elements that were found, each once: the definitions that had a say.
    public let definitions: [String]
    /// What was taken for granted, or could not be known.
    public let notes: [String]
    /// Whether a limit was met, so that another assumption could lead elsewhere.
    public let metLimit: Bool
    /// How many look-ups in sets the packet took, and changes of sets by rules, successful or not. Of several courses that
    /// it could take, this is the longest.
    public let lookups: Int

    /// The probability of an outcome; 0 if it cannot happen.
    public func probability(of outcome: Outcome) -> Fraction {
        outcomes.first { $0.outcome == outcome }?.probability ?? .zero
    }
}

/// A base chain that the packet ran through.
public struct Stage: Sendable {
    public let point: Chain.Point
    public let table: String
    public let chain: String
    public let kind: Chain.Kind
    /// How probable it is that the packet comes here.
    public let probability: Fraction
    public let steps: [Step]
    /// Set where the chain's policy dropped what no rule decided.
    public let droppedByPolicy: Fraction
}

/// A rule that was evaluated.
public struct Step: Sendable {
    public let chain: String
    /// The rule's place in its chain, from 1.
    public let number: Int
    /// The rule in nft's language, or in instructions where it was read from the kernel.
    public let rule: String
    /// How probable it is that the packet comes here.
    public let probability: Fraction
    /// How probable it is that the packet also gets to the rule's end.
    public let matched: Fraction
    public let findings: [Finding]
    /// The rules of the chain that this one led to.
    public let children: [Step]

    /// Whether the rule, or one that it led to, did anything.
    public var isTelling: Bool {
        findings.contains { $0.isTelling } || children.contains { $0.isTelling }
    }
}

/// Something that was found out or done while a rule was evaluated.
public struct Finding: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        /// A comparison.
        case condition
        /// A look-up in a set or map.
        case lookup
        /// A change of the packet or its mark.
        case change
        /// A change of a set.
        case memory
        /// Destination NAT.
        case redirect
        case masquerade
        /// The end of the rule: another chain, acceptance, refusal.
        case verdict
        /// Something that the trace could not know.
        case note
    }

    /// One of several ways that it may go.
    public struct Alternative: Hashable, Sendable {
        /// What was looked up.
        public let key: String
        /// Where a map leads; nil for a set, and where nothing was found.
        public let datum: String?
        public let comment: String?
        public let isFound: Bool
        public let probability: Fraction
    }

    public let kind: Kind
    /// The whole in words. Of many alternatives it holds some.
    public let text: String
    /// Whether it is worth telling although the rule may not match.
    public let isTelling: Bool
    public var set: String?
    public var alternatives: [Alternative] = []

    init(_ kind: Kind, _ text: String, isTelling: Bool) {
        self.kind = kind
        self.text = text
        self.isTelling = isTelling
    }
}

/// Some of many things in a line: ten, and how many more there are.
func abbreviated(_ parts: [String]) -> String {
    let most = 10
    let more = parts.count - most
    return parts.prefix(most).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
}

extension SocketAddress {
    /// `10.0.0.1:80`, `[fd00::1]:80`.
    var text: String { address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
