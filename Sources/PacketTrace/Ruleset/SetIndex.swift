internal import NFTables
internal import NetAddress

/// A set and its elements, made ready for look-ups.
struct SetIndex: Sendable {
    let definition: SetDefinition
    /// Bytes of a key in whole words.
    let keyLength: Int
    /// Bytes of a key that count: fewer in a set whose key is a single part that is no whole word.
    let significantLength: Int
    let catchAll: ElementValue?
    private let values: [ElementKey: ElementValue]
    private let ranges: RangeIndex?

    init(_ definition: SetDefinition, _ elements: [(ElementKey, ElementValue)]) {
        self.definition = definition
        keyLength = definition.key.paddedLength
        significantLength = definition.key.count == 1 ? definition.key.reduce(0) { $0 + $1.length } : keyLength
        catchAll = elements.first { $0.0 == .catchAll }?.1
        let others = elements.lazy.filter { $0.0 != .catchAll }
        guard !definition.holdsRanges else {
            values = [:]
            ranges = RangeIndex(definition, Array(others))
            return
        }
        ranges = nil
        let length = keyLength
        values = Dictionary(
            others.map { ($0.0.padded(to: length), $0.1) }, uniquingKeysWith: { first, _ in first })
    }

    /// The element that a key finds, the catch-all element aside.
    func find(_ key: ElementKey) -> ElementValue? { ranges.map { $0.find(key) } ?? values[key] }
}

/// Elements that stand for ranges. Those that are equal in the leading parts which are no ranges lie together.
private struct RangeIndex: Sendable {
    private let parts: [Range<Int>]
    /// How many bytes at the start of a key are no range in any element.
    private let fixedLength: Int
    private var groups: [ElementKey: [(start: ElementKey, end: ElementKey, value: ElementValue)]] = [:]

    init(_ definition: SetDefinition, _ elements: [(ElementKey, ElementValue)]) {
        var offset = 0
        parts = definition.key.map { field in
            defer { offset += field.paddedLength }
            return offset..<offset + field.paddedLength
        }
        let length = offset
        let whole = elements.map { key, value in
            (start: key.padded(to: length), end: (value.rangeEnd ?? key).padded(to: length), value: value)
        }
        let parts = parts
        fixedLength =
            parts.prefix { part in whole.allSatisfy { Self.compare($0.start, $0.end, part) == 0 } }.last?.upperBound
            ?? 0
        for element in whole { groups[element.start.prefix(fixedLength), default: []].append(element) }
    }

    func find(_ key: ElementKey) -> ElementValue? {
        groups[key.prefix(fixedLength)]?.first { element in
            parts.allSatisfy { Self.compare(element.start, key, $0) <= 0 && Self.compare(key, element.end, $0) <= 0 }
        }?.value
    }

    /// Compares a part of two keys byte by byte: negative, 0 or positive.
    private static func compare(_ left: ElementKey, _ right: ElementKey, _ part: Range<Int>) -> Int {
        left.withBytes { left in
            right.withBytes { right in
                for index in part where index < left.count && index < right.count {
                    if left[index] != right[index] { return Int(left[index]) - Int(right[index]) }
                }
                return 0
            }
        }
    }
}

extension ElementKey {
    /// The key with zeros behind it.
    func padded(to count: Int) -> ElementKey {
        guard Int(length) < count else { return self }
        return withBytes { bytes in
            let padded = Array(bytes) + [UInt8](repeating: 0, count: count - bytes.count)
            return padded.withUnsafeBytes { ElementKey(bytes: $0) } ?? self
        }
    }

    /// The first bytes of the key.
    func prefix(_ count: Int) -> ElementKey {
        withBytes { ElementKey(bytes: UnsafeRawBufferPointer(rebasing: $0.prefix(count))) ?? self }
    }
}

extension ElementValue {
    /// A map's datum as it lies in registers; nil where it is not known.
    var datum: [UInt8]? {
        if let endpoint {
            let port = endpoint.port
            return endpoint.address.networkBytes
                + [UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port), 0, 0]
        }
        return address?.networkBytes
    }
}
