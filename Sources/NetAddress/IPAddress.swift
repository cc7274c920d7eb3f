/// An IPv4 or IPv6 address, without port, prefix or zone.
///
/// The number is kept in host order in two halves: an IPv4 address is the low 32 bits of ``low``.
/// Ordering is by family first (IPv4 before IPv6), then by number, which is also the order of network bytes.
public struct IPAddress: Hashable, Sendable {
    /// The upper 64 bits of an IPv6 address; 0 for IPv4.
    public let high: UInt64
    /// The lower 64 bits of an IPv6 address; the 32 bits of an IPv4 address.
    public let low: UInt64
    /// The family that the address belongs to. It comes last, so that a port beside an address fits into the padding.
    public let family: IPFamily

    /// An IPv4 address from its 32-bit number in host order: `0x7f00_0001` is 127.0.0.1.
    public init(ipv4 number: UInt32) {
        family = .ipv4
        high = 0
        low = UInt64(number)
    }

    /// An IPv6 address from its two 64-bit halves in host order.
    public init(ipv6 high: UInt64, _ low: UInt64) {
        family = .ipv6
        self.high = high
        self.low = low
    }

    /// An address from 4 or 16 bytes in network order, read where they lie; nil for any other count.
    public init?(networkBytes bytes: UnsafeRawBufferPointer) {
        switch bytes.count {
        case 4: self.init(ipv4: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        case 16:
            self.init(
                ipv6: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        default: return nil
        }
    }

    /// An address from 4 or 16 bytes in network order; nil for any other count.
    public init?(networkBytes bytes: ArraySlice<UInt8>) {
        guard let address = bytes.withUnsafeBytes({ IPAddress(networkBytes: $0) }) else { return nil }
        self = address
    }

    /// The 4 or 16 bytes in network order.
    public var networkBytes: [UInt8] {
        (0..<family.addressLength).map { byte(at: $0) }
    }

    /// The byte at an index in network order; 0 outside of the address.
    public func byte(at index: Int) -> UInt8 {
        switch (family, index) {
        case (.ipv4, 0..<4): UInt8(truncatingIfNeeded: low >> UInt64(24 - index * 8))
        case (.ipv6, 0..<8): UInt8(truncatingIfNeeded: high >> UInt64(56 - index * 8))
        case (.ipv6, 8..<16): UInt8(truncatingIfNeeded: low >> UInt64(120 - index * 8))
        default: 0
        }
    }
}

extension IPAddress: Comparable {
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        if left.family != right.family { return left.family < right.family }
        return left.high != right.high ? left.high < right.high : left.low < right.low
    }
}

// MARK: - What kind of address it is

extension IPAddress {
    /// 127.0.0.0/8 or ::1.
    public var isLoopback: Bool {
        family == .ipv4 ? low >> 24 == 127 : high == 0 && low == 1
    }

    /// 0.0.0.0 or ::.
    public var isUnspecified: Bool { high == 0 && low == 0 }

    /// 169.254.0.0/16 or fe80::/10.
    public var isLinkLocal: Bool {
        family == .ipv4 ? low >> 16 == 0xa9fe : high >> 54 == 0xfe80 >> 6
    }

    /// 224.0.0.0/4 or ff00::/8.
    public var isMulticast: Bool {
        family == .ipv4 ? low >> 28 == 0xe : high >> 56 == 0xff
    }

    /// 255.255.255.255.
    public var isLimitedBroadcast: Bool { family == .ipv4 && low == 0xffff_ffff }

    /// An IPv4 address in IPv6 clothes (`::ffff:0:0/96`, RFC 4291 section 2.5.5.2).
    public var isIPv4Mapped: Bool { family == .ipv6 && high == 0 && low >> 32 == 0xffff }
}
