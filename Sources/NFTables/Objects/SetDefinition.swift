public import NetAddress

/// A named set, or a map if it has data: what its elements are made of, without the elements.
public struct SetDefinition: Hashable, Sendable {
    public var family: IPFamily
    public var table: String
    public var name: String
    public var key: [Field]
    /// What a map's elements lead to; nil for a set.
    public var data: [Field]?
    /// What each element has that was added without an expression of its own. An element may have another one of the
    /// same kind.
    public var expression: StatefulExpression?
    /// Whether elements stand for ranges: each part of the key has a lower and an upper end. For concatenations alone.
    public var holdsRanges: Bool
    /// Whether rules add elements; also needed where elements count connections.
    public var isDynamic = false
    /// Whether elements may have timeouts.
    public var hasTimeouts = false
    /// After how many seconds elements go that were added without a timeout of their own; nil if they stay. For sets with
    /// timeouts alone.
    public var timeoutSeconds: UInt32?
    /// The most elements there can be; nil for any number.
    public var size: UInt32?

    /// Whether each element counts the packets that matched it.
    public var countsPackets: Bool { expression == .counter }

    public init(
        family: IPFamily, table: String, name: String, key: [Field], data: [Field]? = nil, countsPackets: Bool = false,
        holdsRanges: Bool = false
    ) {
        self.family = family
        self.table = table
        self.name = name
        self.key = key
        self.data = data
        expression = countsPackets ? .counter : nil
        self.holdsRanges = holdsRanges
    }

    /// `set` or `map`, as nft calls it.
    public var kind: String { data == nil ? "set" : "map" }

    /// The type in nft's language: `typeof ip daddr . th dport : ip daddr`.
    public var typeText: String { "typeof \(key.text)" + (data.map { " : \($0.text)" } ?? "") }

    /// `NFT_SET_MAP`, `NFT_SET_TIMEOUT`, `NFT_SET_EVAL`, and `NFT_SET_INTERVAL` with `NFT_SET_CONCAT`
    /// (linux/netfilter/nf_tables.h).
    var flags: UInt32 {
        (data == nil ? 0 : 0x8) | (hasTimeouts ? 0x10 : 0) | (isDynamic ? 0x20 : 0) | (holdsRanges ? 0x84 : 0)
    }

    /// The flags in nft's language; empty without any.
    var flagNames: [String] {
        (isDynamic ? ["dynamic"] : []) + (holdsRanges ? ["interval"] : []) + (hasTimeouts ? ["timeout"] : [])
    }

    /// The userdata that lets nft print and reload the set (`enum nftnl_udata_set_types` of libnftnl's udata.h).
    var userdata: Userdata {
        var userdata = Userdata()
        // 0 says "no single byte order" of a concatenation, 2 big-endian.
        userdata.put(0, number: key.count == 1 ? 2 : 0)
        if let data { userdata.put(1, number: data.count == 1 ? 2 : 0) }
        userdata.put(3, key.userdata)
        if let data {
            userdata.put(4, data.userdata)
            userdata.put(6, number: 0)
        }
        return userdata
    }
}
