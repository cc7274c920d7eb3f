internal import NetAddress

/// How the number of a pool stands in a packet, in place of the destination: an address that hardly anybody has.
enum PoolAddress {
    /// 240.0.0.0/4, which is reserved (RFC 1112), and 100::/64, which is discarded wherever it goes (RFC 6666). Packets
    /// never leave the node with it. Some private networks use 240.0.0.0/4 all the same; connections that are not
    /// redirected keep such addresses.
    static func address(_ number: UInt32, _ family: IPFamily) -> IPAddress {
        family == .ipv4 ? IPAddress(ipv4: 0xf000_0000 | number) : IPAddress(ipv6: 0x0100 << 48, UInt64(number))
    }

    /// All numbers of a family.
    static func block(_ family: IPFamily) -> CIDR {
        let first = address(0, family)
        return CIDR(first, prefixLength: family == .ipv4 ? 4 : 64) ?? CIDR(first)
    }

    static func number(_ address: IPAddress) -> UInt32? {
        let number = UInt32(truncatingIfNeeded: address.low) & 0x0fff_ffff
        return self.address(number, address.family) == address ? number : nil
    }
}

/// Pools in groups, by the last bits of their numbers: what takes longer the more pools there are is done in one group
/// alone.
enum PoolGroup {
    /// How many groups there are for turns: a power of two. A connection passes the rules of a 64th of the pools, and the
    /// kernel, which walks through a map for each rule that looks into it, walks through a 64th of the endpoints.
    static let turnCount: UInt8 = 64
    /// How many maps there are for what is remembered in a family: a power of two. A change reads those that it concerns.
    static let affinityCount: UInt8 = 16

    static func turns(_ number: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: number) & (turnCount - 1) }

    static func affinity(_ number: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: number) & (affinityCount - 1) }
}
