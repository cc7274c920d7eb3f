public import NetAddress

/// A table of one family. Its comment is the mark by which its owner knows it again.
public struct Table: Hashable, Sendable {
    public var family: IPFamily
    public var name: String
    public var comment: String?
    /// `NFT_TABLE_F_DORMANT`, `NFT_TABLE_F_OWNER`, `NFT_TABLE_F_PERSIST` (linux/netfilter/nf_tables.h).
    public var flags: UInt32 = 0

    /// The flags as nft writes them; what has no name is left out.
    public var flagNames: [String] {
        [(1, "dormant"), (2, "owner"), (4, "persist")].filter { flags & $0.0 != 0 }.map(\.1)
    }

    public init(family: IPFamily, name: String, comment: String? = nil) {
        self.family = family
        self.name = name
        self.comment = comment
    }
}
