// The text of strings, keys and numbers. It stays a slice of the source until somebody needs a `String`.

extension DocumentTree {
    /// Lends the text of a scalar or key, escapes resolved, as UTF-8.
    func withText<Result>(of node: NodeID, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        let entry = self[node]
        if entry.hasEscapes { return unescaped(entry).withUnsafeBufferPointer(body) }
        return text.withUnsafeBufferPointer { text in body(entry.slice(of: text)) }
    }

    /// The text of a scalar or key.
    func string(_ node: NodeID) -> String {
        withText(of: node) { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether a string, number or key has this text; false for any other value.
    func text(of node: NodeID, is expected: StaticString) -> Bool {
        switch kind(node) {
        case .string, .key, .number: break
        default: return false
        }
        return withText(of: node) { text in
            text.count == expected.utf8CodeUnitCount
                && text.elementsEqual(UnsafeBufferPointer(start: expected.utf8Start, count: text.count))
        }
    }

    /// The value of a member; nil if the object has no such member or it is null.
    func member(_ name: StaticString, of object: NodeID) -> NodeID? {
        for (key, value) in members(of: object) where text(of: key, is: name) {
            return kind(value) == .null ? nil : value
        }
        return nil
    }

    /// Resolves JSON escapes. The parser has checked them, so nothing here can fail.
    private func unescaped(_ entry: TreeNode) -> [UInt8] {
        let source = text[Int(entry.offset)..<Int(entry.offset) + Int(entry.length)]
        var result: [UInt8] = []
        result.reserveCapacity(source.count)
        var position = source.startIndex
        while position < source.endIndex {
            let byte = source[position]
            position += 1
            guard byte == UInt8(ascii: "\\"), position < source.endIndex else {
                result.append(byte)
                continue
            }
            let escape = source[position]
            position += 1
            if escape == UInt8(ascii: "u") {
                let scalar = JSONEscape.readScalar(source, &position)
                result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            } else {
                result.append(JSONEscape.value(of: escape) ?? escape)
            }
        }
        return result
    }
}

extension TreeNode {
    /// The node's text; empty if it does not lie within, which no parser produces.
    func slice(of text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        let start = Int(offset)
        guard start + Int(length) <= text.count else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(rebasing: text[start..<start + Int(length)])
    }
}

/// JSON's escapes (RFC 8259 section 7).
enum JSONEscape {
    /// What a one-letter escape stands for; nil for `u` and for letters that are no escape.
    static func value(of letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): letter
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0c
        case UInt8(ascii: "n"): 0x0a
        case UInt8(ascii: "r"): 0x0d
        case UInt8(ascii: "t"): 0x09
        default: nil
        }
    }

    static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// Reads `XXXX` or `XXXX\uXXXX` (a surrogate pair) at a position after `\u`.
    fileprivate static func readScalar(_ source: ArraySlice<UInt8>, _ position: inout Int) -> Unicode.Scalar {
        func readUnit() -> UInt32 {
            let end = min(position + 4, source.endIndex)
            defer { position = end }
            return source[position..<end].reduce(0) { $0 << 4 | (hexDigit($1) ?? 0) }
        }
        let unit = readUnit()
        guard (0xd800..<0xdc00).contains(unit), position + 6 <= source.endIndex else {
            return Unicode.Scalar(unit) ?? "\u{fffd}"
        }
        position += 2
        let low = readUnit()
        return Unicode.Scalar(0x10000 + ((unit & 0x3ff) << 10 | low & 0x3ff)) ?? "\u{fffd}"
    }
}
