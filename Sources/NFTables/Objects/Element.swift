public import NetAddress

/// Up to 40 bytes of a key, kept inline: elements come by the hundred thousand, and an array for each would cost an
/// allocation and a pointer chase.
///
/// The words hold the bytes in network order, so that comparing words compares bytes; unused bytes are zero.
public struct ElementKey: Hashable, Sendable {
    @usableFromInline var words: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
    /// It comes last, so that what is stored beside a key fits into the padding.
    @usableFromInline var used: UInt8 = 0

    /// Bytes in use.
    @inlinable public var length: UInt8 { used }

    /// The longest key: two IPv6 addresses, a protocol and a port.
    public static let maximumLength = 40

    @inlinable
    public init() {}

    /// Stands for nft's `*`, the element for every key that the set does not hold (NFT_SET_ELEM_CATCHALL).
    public static let catchAll = ElementKey()

    /// A key from its bytes as the kernel has them; nil if there are more than ``maximumLength``.
    public init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Self.maximumLength else { return nil }
        used = UInt8(truncatingIfNeeded: bytes.count)
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
    }

    /// Appends the bytes of an address, which are a multiple of 4.
    @inlinable
    public mutating func append(_ address: IPAddress) {
        switch address.family {
        case .ipv4:
            append(word: UInt32(truncatingIfNeeded: address.low).bigEndian)
        case .ipv6:
            append(word: UInt32(truncatingIfNeeded: address.high >> 32).bigEndian)
            append(word: UInt32(truncatingIfNeeded: address.high).bigEndian)
            append(word: UInt32(truncatingIfNeeded: address.low >> 32).bigEndian)
            append(word: UInt32(truncatingIfNeeded: address.low).bigEndian)
        }
    }

    /// Appends a protocol number and its padding.
    @inlinable
    public mutating func append(_ transport: TransportProtocol) {
        append(word: UInt32(transport.rawValue).littleEndian)
    }

    /// Appends a port in network byte order and its padding.
    @inlinable
    public mutating func append(port: UInt16) {
        append(word: UInt32(port.bigEndian).littleEndian)
    }

    /// Appends a slot in host byte order.
    @inlinable
    public mutating func append(slot: UInt32) { append(word: slot) }

    /// Appends four bytes as they lie in memory; ignored when the key is full, which no layout of ours reaches.
    @inlinable
    mutating func append(word: UInt32) {
        let offset = Int(length)
        guard offset + 4 <= Self.maximumLength else { return }
        withUnsafeMutableBytes(of: &words) { $0.storeBytes(of: word, toByteOffset: offset, as: UInt32.self) }
        used += 4
    }

    /// Calls a closure with the bytes in place.
    @inlinable
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: words) { body(UnsafeRawBufferPointer(rebasing: $0[..<Int(length)])) }
    }

    @inlinable
    public static func == (left: ElementKey, right: ElementKey) -> Bool {
        left.words.0 == right.words.0 && left.words.1 == right.words.1 && left.words.2 == right.words.2
            && left.words.3 == right.words.3 && left.words.4 == right.words.4 && left.length == right.length
    }

    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(folded) }

    /// All words in one, each multiplied by an odd number of its own: one step of the hasher instead of five.
    @inlinable
    public var folded: UInt64 {
        let low = words.0 &* 0x9e37_79b9_7f4a_7c15 ^ words.1 &* 0xc2b2_ae3d_27d4_eb4f
        guard length > 16 else { return low }
        return low ^ words.2 &* 0x1656_67b1_9e37_79f9 ^ words.3 &* 0x85eb_ca77_c2b2_ae63
            ^ words.4 &* 0x27d4_eb2f_1656_67c5
    }

    /// The first sixteen bytes as a pair of numbers that orders keys as ``<(_:_:)`` does, up to ties.
    @inlinable
    public var prefix: (UInt64, UInt64) { (words.0.bigEndian, words.1.bigEndian) }
}

extension ElementKey: Comparable {
    public static func < (left: ElementKey, right: ElementKey) -> Bool {
        let (a, b) = (left.words, right.words)
        if a.0 != b.0 { return a.0.bigEndian < b.0.bigEndian }
        if a.1 != b.1 { return a.1.bigEndian < b.1.bigEndian }
        if a.2 != b.2 { return a.2.bigEndian < b.2.bigEndian }
        if a.3 != b.3 { return a.3.bigEndian < b.3.bigEndian }
        if a.4 != b.4 { return a.4.bigEndian < b.4.bigEndian }
        return left.length < right.length
    }
}

extension ElementKey {
    /// Whether stock nft lists this key of a concatenation before another one: it compares concatenations as numbers
    /// in host byte order, so that the last part counts most.
    func isListedBefore(_ other: ElementKey) -> Bool {
        let (a, b) = (words, other.words)
        if a.4 != b.4 { return a.4.littleEndian < b.4.littleEndian }
        if a.3 != b.3 { return a.3.littleEndian < b.3.littleEndian }
        if a.2 != b.2 { return a.2.littleEndian < b.2.littleEndian }
        if a.1 != b.1 { return a.1.littleEndian < b.1.littleEndian }
        return a.0.littleEndian < b.0.littleEndian
    }
}

/// What an element holds besides its key. The usual two cases are plain bytes; a comment is boxed.
public enum ElementValue: Hashable, Sendable {
    /// Nothing: a member of a set.
    case member
    /// Where a map's element leads.
    case endpoint(SocketAddress)
    /// A comment, which nft prints beside the element: at most 127 bytes of UTF-8.
    indirect case commented(String, endpoint: SocketAddress?)
    /// The upper end of a range whose lower end is the key.
    indirect case range(end: ElementKey)
    /// A map's element that leads to an address alone, and a comment.
    indirect case address(IPAddress, comment: String?)
    /// An expression of the element's own, and a comment.
    indirect case stateful(StatefulExpression, comment: String?)

    @inlinable
    public init(endpoint: SocketAddress? = nil, comment: String? = nil) {
        switch (comment, endpoint) {
        case (let comment?, _): self = .commented(comment, endpoint: endpoint)
        case (nil, let endpoint?): self = .endpoint(endpoint)
        case (nil, nil): self = .member
        }
    }

    /// An endpoint's address and port; nil in a set.
    @inlinable public var endpoint: SocketAddress? {
        switch self {
        case .member, .range, .address, .stateful: nil
        case .endpoint(let endpoint): endpoint
        case .commented(_, let endpoint): endpoint
        }
    }

    /// An address without a port.
    @inlinable public var address: IPAddress? {
        if case .address(let address, _) = self { address } else { nil }
    }

    /// The element's own expression.
    @inlinable public var expression: StatefulExpression? {
        if case .stateful(let expression, _) = self { expression } else { nil }
    }

    /// The upper end of a range.
    @inlinable public var rangeEnd: ElementKey? {
        if case .range(let end) = self { end } else { nil }
    }

    @inlinable public var comment: String? {
        switch self {
        case .commented(let comment, _): comment
        case .address(_, let comment), .stateful(_, let comment): comment
        case .member, .endpoint, .range: nil
        }
    }
}

/// An address and a port: the data of our maps.
public struct SocketAddress: Hashable, Sendable {
    public var address: IPAddress
    public var port: UInt16

    @inlinable
    public init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }
}

/// What an element has counted.
public struct ElementCounter: Hashable, Sendable {
    public var packets: UInt64
    public var bytes: UInt64

    public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }
}
