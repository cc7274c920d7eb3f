internal import NFTables
internal import NetAddress

/// An element of one of our sets as a sketch has it: its set and key in full, and a digest of its value.
struct SketchItem: Sendable {
    /// The key's bytes in the first five words; the set and the key's length; the value's digest.
    var words = InlineArray<7, UInt64>(repeating: 0)

    static let wordCount = 7

    init(_ key: ElementKey, _ value: ElementValue, of set: SetID, seed: UInt64) {
        key.withBytes { bytes in
            withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
        }
        words[5] = UInt64(set.packed) << 8 | UInt64(key.length)
        words[6] = value.digest(seed)
    }

    /// From words that come out of a sketch.
    init(words: InlineArray<7, UInt64>) { self.words = words }

    /// Which element it is; nil if the words are none that an element makes.
    var element: (key: ElementKey, set: SetID)? {
        guard let set = UInt32(exactly: words[5] >> 8).flatMap({ SetID(packed: $0) }) else { return nil }
        let length = Int(words[5] & 0xff)
        guard length <= ElementKey.maximumLength else { return nil }
        let key = withUnsafeBytes(of: words) { ElementKey(bytes: UnsafeRawBufferPointer(rebasing: $0[..<length])) }
        return key.map { ($0, set) }
    }

    func digest(_ seed: UInt64) -> UInt64 {
        var digest = Digest(seed: seed)
        for index in 0..<Self.wordCount { digest.add(words[index]) }
        return digest.value
    }
}

extension ElementValue {
    fileprivate func digest(_ seed: UInt64) -> UInt64 {
        var digest = Digest(seed: seed)
        switch self {
        case .member: break
        case .endpoint(let endpoint): digest.add(endpoint)
        case .commented(let comment, let endpoint):
            digest.add(1)
            digest.add(comment)
            if let endpoint { digest.add(endpoint) }
        case .range(let end):
            digest.add(2)
            digest.add(end.folded)
        case .address(let address, let comment):
            digest.add(3)
            digest.add(address)
            if let comment { digest.add(comment) }
        case .stateful(let expression, let comment):
            digest.add(4)
            digest.add(expression)
            if let comment { digest.add(comment) }
        }
        return digest.value
    }
}

extension Digest {
    fileprivate mutating func add(_ address: IPAddress) {
        add(address.high)
        add(address.low)
    }

    fileprivate mutating func add(_ endpoint: SocketAddress) {
        add(endpoint.address)
        add(UInt64(endpoint.port))
    }

    fileprivate mutating func add(_ expression: StatefulExpression) {
        switch expression {
        case .counter: add(0)
        case .rateOver(let perSecond, let burst):
            add(1)
            add(perSecond)
            add(UInt64(burst))
        case .connectionsOver(let count):
            add(2)
            add(UInt64(count))
        }
    }
}

extension SetID {
    /// All of it in one number, from which it can be had again.
    fileprivate var packed: UInt32 {
        UInt32(truncatingIfNeeded: parameter) << 8 | UInt32(role.rawValue) << 1 | (family == .ipv4 ? 0 : 1)
    }

    fileprivate init?(packed: UInt32) {
        guard let role = Role(rawValue: UInt8(truncatingIfNeeded: packed) >> 1) else { return nil }
        self.init(packed & 1 == 0 ? .ipv4 : .ipv6, role, Int(packed >> 8))
    }
}
