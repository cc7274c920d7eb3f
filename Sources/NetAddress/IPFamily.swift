/// The two address families. Each is a world of its own: tables, sets and services never mix them.
public enum IPFamily: UInt8, Hashable, Sendable, CaseIterable {
    case ipv4 = 4
    case ipv6 = 6

    /// Bytes of one address: 4 or 16.
    public var addressLength: Int { self == .ipv4 ? 4 : 16 }

    /// Bits of one address: 32 or 128.
    public var addressBits: Int { addressLength * 8 }
}

extension IPFamily: CustomStringConvertible {
    /// `IPv4` or `IPv6`, as the Kubernetes API spells them.
    public var description: String { self == .ipv4 ? "IPv4" : "IPv6" }
}

extension IPFamily: Comparable {
    public static func < (left: IPFamily, right: IPFamily) -> Bool { left.rawValue < right.rawValue }
}
