public import NetAddress

/// An element of a set.
public struct SetElement: Hashable, Sendable {
    public var key: Key
    /// What the target `SET --map-mark` makes of a packet's mark. Only in sets ``SetSpec/withSkbInfo``.
    public var mark: Mark?
    /// What it is for: 1 to 255 bytes without `"` and control characters. Only in sets ``SetSpec/withComments``.
    public var comment: String?

    public init(_ key: Key, mark: Mark? = nil, comment: String? = nil) {
        self.key = key
        self.mark = mark
        self.comment = comment
    }

    /// What a packet is looked up by. There is a case for each ``SetType``.
    public enum Key: Hashable, Sendable {
        /// `10.96.0.10`
        case address(IPAddress)
        /// `10.96.0.10,tcp:80`
        case addressPort(IPAddress, TransportProtocol, UInt16)
        /// `10.96.0.10,tcp:80,10.0.0.1`
        case addressPortAddress(IPAddress, TransportProtocol, UInt16, IPAddress)
        /// `10.96.0.10,tcp:80,10.0.0.0/8`
        case addressPortNetwork(IPAddress, TransportProtocol, UInt16, CIDR)
        /// `10.0.0.0/8`
        case network(CIDR)
        /// `10.0.0.0/8,tcp:80`
        case networkPort(CIDR, TransportProtocol, UInt16)
        /// `30080`
        case port(UInt16)
    }

    /// The packet's mark becomes (mark & ~mask) ^ value.
    public struct Mark: Hashable, Sendable {
        public var value: UInt32
        public var mask: UInt32

        public init(_ value: UInt32, mask: UInt32 = .max) {
            self.value = value
            self.mask = mask
        }
    }

    /// The type of set that the element belongs in.
    public var type: SetType {
        switch key {
        case .address: .hashIP
        case .addressPort: .hashIPPort
        case .addressPortAddress: .hashIPPortIP
        case .addressPortNetwork: .hashIPPortNet
        case .network: .hashNet
        case .networkPort: .hashNetPort
        case .port: .bitmapPort
        }
    }

    /// The family of the set that the element belongs in; nil for ports.
    public var family: IPFamily? {
        switch key {
        case .address(let address), .addressPort(let address, _, _), .addressPortAddress(let address, _, _, _),
            .addressPortNetwork(let address, _, _, _):
            address.family
        case .network(let block), .networkPort(let block, _, _): block.family
        case .port: nil
        }
    }

    /// Why no set can hold the element, in a sentence; nil if one can.
    public var problem: String? {
        switch key {
        case .addressPortAddress(let first, _, _, let second) where first.family != second.family:
            "\(text): the addresses are of different families"
        case .addressPortNetwork(let address, _, _, let block) where address.family != block.family:
            "\(text): the address and the block are of different families"
        case .addressPortNetwork(_, _, _, let block) where block.prefixLength == 0,
            .network(let block) where block.prefixLength == 0,
            .networkPort(let block, _, _) where block.prefixLength == 0:
            "\(text): sets hold no block of prefix length 0; its two halves say the same"
        case .address(let address) where address.isUnspecified:
            "\(text): sets of addresses hold no address of zeros"
        default: commentProblem
        }
    }

    /// The kernel cuts longer comments, and ipset's texts have no way to say these characters.
    private var commentProblem: String? {
        guard let comment else { return nil }
        let fits = (1...Self.commentLength).contains(comment.utf8.count)
        guard fits, comment.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\"") }) else {
            return "\(text): a comment has 1 to 255 bytes without quotes and control characters"
        }
        return nil
    }

    /// `IPSET_MAX_COMMENT_SIZE` (linux/netfilter/ipset/ip_set.h).
    private static let commentLength = 255
}

extension SetElement: Comparable {
    /// By type, family and numbers.
    public static func < (left: SetElement, right: SetElement) -> Bool {
        if left.key != right.key { return left.key < right.key }
        let (one, other) = (
            (left.mark?.value ?? 0, left.mark?.mask ?? 0), (right.mark?.value ?? 0, right.mark?.mask ?? 0)
        )
        return one != other ? one < other : (left.comment ?? "") < (right.comment ?? "")
    }
}

extension SetElement.Key: Comparable {
    public static func < (left: SetElement.Key, right: SetElement.Key) -> Bool {
        switch (left, right) {
        case (.address(let left), .address(let right)): left < right
        case (.addressPort(let a, let p, let n), .addressPort(let b, let q, let m)): (a, p, n) < (b, q, m)
        case (.addressPortAddress(let a, let p, let n, let c), .addressPortAddress(let b, let q, let m, let d)):
            (a, p, n, c) < (b, q, m, d)
        case (.addressPortNetwork(let a, let p, let n, let c), .addressPortNetwork(let b, let q, let m, let d)):
            (a, p, n, c) < (b, q, m, d)
        case (.network(let left), .network(let right)): left < right
        case (.networkPort(let a, let p, let n), .networkPort(let b, let q, let m)): (a, p, n) < (b, q, m)
        case (.port(let left), .port(let right)): left < right
        default: left.rank < right.rank
        }
    }

    private var rank: Int {
        switch self {
        case .address: 0
        case .addressPort: 1
        case .addressPortAddress: 2
        case .addressPortNetwork: 3
        case .network: 4
        case .networkPort: 5
        case .port: 6
        }
    }
}
