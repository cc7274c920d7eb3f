// Parsing and printing: RFC 4291 section 2.2 and RFC 6943 section 3.1.1 in, RFC 5952 out.

extension IPAddress {
    /// Reads dotted decimal or IPv6 text; nil if it is neither.
    ///
    /// IPv4 needs four decimal parts without leading zeros, since some programs read those as octal.
    /// IPv6 zones (`%eth0`) and brackets are not accepted.
    public init?(_ text: some StringProtocol) {
        var text = String(text)
        let parsed = text.withUTF8 { IPAddress(utf8: $0) }
        guard let parsed else { return nil }
        self = parsed
    }

    /// Reads the same text as ``init(_:)`` from UTF-8 bytes.
    public init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
        var reader = AddressReader(bytes: bytes)
        if bytes.contains(UInt8(ascii: ":")) {
            guard let (high, low) = reader.readIPv6(), reader.isAtEnd else { return nil }
            self.init(ipv6: high, low)
        } else {
            guard let number = reader.readIPv4(), reader.isAtEnd else { return nil }
            self.init(ipv4: number)
        }
    }
}

/// A cursor over address text. It never reads outside of its bytes.
private struct AddressReader {
    let bytes: UnsafeBufferPointer<UInt8>
    var position = 0

    var isAtEnd: Bool { position == bytes.count }

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func readIPv4() -> UInt32? {
        var number: UInt32 = 0
        for part in 0..<4 {
            if part > 0, !skip(".") { return nil }
            guard let octet = readOctet() else { return nil }
            number = number << 8 | octet
        }
        return number
    }

    private mutating func readOctet() -> UInt32? {
        let start = position
        var value: UInt32 = 0
        while let byte = peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), position - start < 3 {
            value = value * 10 + UInt32(byte - UInt8(ascii: "0"))
            position += 1
        }
        let digits = position - start
        guard digits > 0, value <= 255 else { return nil }
        guard digits == 1 || bytes[start] != UInt8(ascii: "0") else { return nil }
        return value
    }

    /// Up to eight groups, one `::` for a run of zeros, the last 32 bits optionally in dotted decimal.
    mutating func readIPv6() -> (high: UInt64, low: UInt64)? {
        var groups: [UInt16] = []
        groups.reserveCapacity(8)
        var gap: Int?
        if skip(":") {
            guard skip(":") else { return nil }
            gap = 0
        }
        while !isAtEnd {
            let start = position
            guard groups.count < 8, let group = readGroup() else { return nil }
            if peek() == UInt8(ascii: ".") {
                position = start
                guard groups.count <= 6, let tail = readIPv4(), isAtEnd else { return nil }
                groups.append(UInt16(truncatingIfNeeded: tail >> 16))
                groups.append(UInt16(truncatingIfNeeded: tail))
                break
            }
            groups.append(group)
            if isAtEnd { break }
            guard skip(":") else { return nil }
            if skip(":") {
                guard gap == nil else { return nil }
                gap = groups.count
            } else if isAtEnd {
                return nil
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        func half(_ slice: ArraySlice<UInt16>) -> UInt64 { slice.reduce(0) { $0 << 16 | UInt64($1) } }
        return (half(groups[0..<4]), half(groups[4..<8]))
    }

    private mutating func readGroup() -> UInt16? {
        let start = position
        var value: UInt32 = 0
        while let byte = peek(), let digit = hexDigit(byte), position - start < 4 {
            value = value << 4 | digit
            position += 1
        }
        return position > start ? UInt16(truncatingIfNeeded: value) : nil
    }

    private func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// Dotted decimal, or the canonical IPv6 text of RFC 5952.
    public var description: String {
        withUnsafeTemporaryAllocation(byteCount: 48, alignment: 1) { memory in
            var cursor = TextCursor(memory)
            write(to: &cursor)
            return String(decoding: cursor.bytes, as: UTF8.self)
        }
    }

    /// Writes ``description``, at most 45 bytes.
    public func write(to text: inout TextCursor) {
        switch family {
        case .ipv4: text.put(ipv4: UInt32(truncatingIfNeeded: low))
        case .ipv6: writeIPv6(to: &text)
        }
    }

    private func group(_ index: Int) -> UInt16 {
        UInt16(byte(at: index * 2)) << 8 | UInt16(byte(at: index * 2 + 1))
    }

    private func writeIPv6(to text: inout TextCursor) {
        if isIPv4Mapped {
            text.put("::ffff:" as StaticString)
            IPAddress(ipv4: UInt32(truncatingIfNeeded: low)).write(to: &text)
            return
        }
        let gap = longestZeroRun()
        var index = 0
        while index < 8 {
            if index == gap.lowerBound, !gap.isEmpty {
                text.put("::" as StaticString)
                index = gap.upperBound
                continue
            }
            if index > 0, index != gap.upperBound || gap.isEmpty { text.put(UInt8(ascii: ":")) }
            text.put(hexadecimal: group(index))
            index += 1
        }
    }

    /// The first of the longest runs of at least two zero groups; empty if there is none (RFC 5952 section 4.2).
    private func longestZeroRun() -> Range<Int> {
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, group(end) == 0 { end += 1 }
            if end - start >= 2, end - start > best.count { best = start..<end }
            start = max(end, start + 1)
        }
        return best
    }
}
