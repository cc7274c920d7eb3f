/// A block of addresses: a prefix and how many leading bits of it count. Host bits are always zero.
public struct CIDR: Hashable, Sendable {
    /// The lowest address of the block.
    public let address: IPAddress
    /// How many leading bits an address shares with the block: 0…32 or 0…128.
    public let prefixLength: Int

    /// The block that holds an address; host bits are cleared. Nil if the length does not fit the family.
    public init?(_ address: IPAddress, prefixLength: Int) {
        guard prefixLength >= 0, prefixLength <= address.family.addressBits else { return nil }
        self.prefixLength = prefixLength
        self.address = address.masked(prefixLength)
    }

    /// The block of a single address.
    public init(_ address: IPAddress) {
        self.address = address
        prefixLength = address.family.addressBits
    }

    /// Reads `ADDRESS/LENGTH`; nil if it is not such a text. Host bits may be set and are cleared.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(parts[0]) else { return nil }
        let digits = parts[1].utf8
        guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        guard digits.count == 1 || digits.first != 0x30, let length = Int(parts[1]) else { return nil }
        self.init(address, prefixLength: length)
    }

    /// The family of the block.
    public var family: IPFamily { address.family }

    /// Whether the block holds an address. Always false across families.
    public func contains(_ other: IPAddress) -> Bool {
        other.family == family && other.masked(prefixLength) == address
    }

    /// The highest address of the block.
    public var lastAddress: IPAddress {
        let (high, low) = family.mask(prefixLength)
        return family == .ipv4
            ? IPAddress(ipv4: UInt32(truncatingIfNeeded: address.low | ~low))
            : IPAddress(ipv6: address.high | ~high, address.low | ~low)
    }
}

extension CIDR: CustomStringConvertible {
    public var description: String { "\(address)/\(prefixLength)" }
}

extension CIDR: Comparable {
    public static func < (left: CIDR, right: CIDR) -> Bool {
        left.address != right.address ? left.address < right.address : left.prefixLength < right.prefixLength
    }
}

extension IPAddress {
    /// The address with all but the first `length` bits cleared.
    fileprivate func masked(_ length: Int) -> IPAddress {
        let (maskHigh, maskLow) = family.mask(length)
        return family == .ipv4
            ? IPAddress(ipv4: UInt32(truncatingIfNeeded: low & maskLow))
            : IPAddress(ipv6: high & maskHigh, low & maskLow)
    }
}

extension IPFamily {
    /// The two halves of a network mask, laid out as ``IPAddress/high`` and ``IPAddress/low``.
    fileprivate func mask(_ length: Int) -> (high: UInt64, low: UInt64) {
        switch self {
        case .ipv4: (0, UInt64(UInt32.max << UInt32(32 - length)))
        case .ipv6:
            (length >= 64 ? .max : .max << UInt64(64 - length), length <= 64 ? 0 : .max << UInt64(128 - length))
        }
    }
}
