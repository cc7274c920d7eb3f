public import NetAddress

/// What a set is to be: everything but its elements.
public struct SetSpec: Hashable, Sendable {
    /// 1 to 31 bytes without spaces and control characters.
    public var name: String
    public var type: SetType
    /// The family of all addresses. Sets of ports have none, and here always IPv4.
    public var family: IPFamily
    /// How many elements fit. Sets of ports hold all 65,536.
    public var maxElements: UInt32
    /// How many slots the hash begins with, a power of two; nil leaves it to the kernel (1,024). It grows by itself.
    public var hashSize: UInt32?
    /// Whether elements count packets and bytes.
    public var withCounters: Bool
    /// Whether elements may have a mark (``SetElement/mark``).
    public var withSkbInfo: Bool
    /// Whether elements may have a comment (``SetElement/comment``).
    public var withComments: Bool
    /// After how many seconds elements go; nil for never. How long each has left is not kept here.
    public var timeout: UInt32?

    public init(
        _ name: String, _ type: SetType, _ family: IPFamily = .ipv4, maxElements: UInt32 = 65536,
        hashSize: UInt32? = nil, withCounters: Bool = false, withSkbInfo: Bool = false, withComments: Bool = false,
        timeout: UInt32? = nil
    ) {
        self.name = name
        self.type = type
        self.family = type.isHash ? family : .ipv4
        self.maxElements = type.isHash ? maxElements : 65536
        self.hashSize = type.isHash ? hashSize : nil
        self.withCounters = withCounters
        self.withSkbInfo = withSkbInfo
        self.withComments = withComments
        self.timeout = timeout
    }

    /// Why the kernel could not make the set, in a sentence; nil if it could.
    public var problem: String? {
        if let problem = Self.problem(ofName: name) { return problem }
        if maxElements == 0 { return "a set that holds nothing" }
        if timeout == 0 { return "a timeout of 0, which would mean for ever" }
        return nil
    }

    /// Whether this set, found in the kernel, does for what is wanted: it may hold more, and its hash may have grown.
    public func fits(_ wanted: SetSpec) -> Bool {
        var comparable = self
        comparable.hashSize = wanted.hashSize
        guard maxElements >= wanted.maxElements else { return false }
        comparable.maxElements = wanted.maxElements
        return comparable == wanted
    }

    /// Why a set cannot have the name; nil if it can. The library cuts longer names, and its texts end words at spaces.
    static func problem(ofName name: String) -> String? {
        guard (1...nameLength).contains(name.utf8.count) else { return "a name has 1 to 31 bytes" }
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            return "a name has no spaces and control characters"
        }
        return nil
    }

    /// `IPSET_MAXNAMELEN` without the zero (linux/netfilter/ipset/ip_set.h).
    static let nameLength = 31
}

extension SetSpec: Comparable {
    /// By name, which is unique.
    public static func < (left: SetSpec, right: SetSpec) -> Bool { left.name < right.name }
}
