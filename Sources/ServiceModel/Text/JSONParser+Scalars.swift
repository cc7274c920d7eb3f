// Strings, numbers and the three literals.

extension JSONParser {
    mutating func parseString(_ kind: TreeNode.Kind) throws(SyntaxError) {
        let quote = position
        var hasEscapes = false
        position += 1
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                append(kind, from: quote + 1, hasEscapes: hasEscapes)
                position += 1
                return
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try checkEscape()
            case 0..<0x20:
                throw failure("a string holds a control character; write it as an escape such as \\n")
            case 0x80...:
                guard let length = UTF8Sequence.length(in: bytes, at: position) else {
                    throw failure("the text is not valid UTF-8")
                }
                position += length
            default:
                position += 1
            }
        }
        throw failure("the string that starts here does not end", at: quote)
    }

    private mutating func checkEscape() throws(SyntaxError) {
        let start = position
        position += 1
        guard let letter = peek() else { return }
        position += 1
        if letter == UInt8(ascii: "u") {
            try checkUnicodeEscape(from: start)
        } else if JSONEscape.value(of: letter) == nil {
            throw failure("'\\' must be followed by one of \" \\ / b f n r t u", at: start)
        }
    }

    private mutating func checkUnicodeEscape(from start: Int) throws(SyntaxError) {
        switch try readCodeUnit(from: start) {
        case 0xd800..<0xdc00:
            guard skip(UInt8(ascii: "\\")), skip(UInt8(ascii: "u")),
                (0xdc00..<0xe000).contains(try readCodeUnit(from: start))
            else { throw failure("a surrogate stands alone; characters beyond \\uffff need a pair", at: start) }
        case 0xdc00..<0xe000:
            throw failure("a surrogate stands alone; characters beyond \\uffff need a pair", at: start)
        default:
            return
        }
    }

    private mutating func readCodeUnit(from start: Int) throws(SyntaxError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = peek().flatMap(JSONEscape.hexDigit) else {
                throw failure("\\u must be followed by four hexadecimal digits", at: start)
            }
            unit = unit << 4 | digit
            position += 1
        }
        return unit
    }

    mutating func parseNumber() throws(SyntaxError) {
        let start = position
        _ = skip(UInt8(ascii: "-"))
        let startsWithZero = peek() == UInt8(ascii: "0")
        let digits = skipDigits()
        guard digits > 0 else { throw unexpected("a digit") }
        guard digits == 1 || !startsWithZero else { throw failure("a number must not start with 0", at: start) }
        if skip(UInt8(ascii: ".")) {
            guard skipDigits() > 0 else { throw unexpected("a digit after '.'") }
        }
        if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
            if !skip(UInt8(ascii: "+")) { _ = skip(UInt8(ascii: "-")) }
            guard skipDigits() > 0 else { throw unexpected("a digit in the exponent") }
        }
        append(.number, from: start)
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        return position - start
    }

    mutating func parseLiteral(_ literal: StaticString, _ kind: TreeNode.Kind) throws(SyntaxError) {
        let start = position
        for index in 0..<literal.utf8CodeUnitCount {
            guard skip(literal.utf8Start[index]) else { throw failure("expected \(literal)", at: start) }
        }
        append(kind, from: start)
    }
}
