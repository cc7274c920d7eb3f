/// A look at YAML before it is parsed, for what would cost exponential time inside of the parser.
///
/// The parser compares the keys of every mapping. A key may be a list full of aliases of lists full of aliases, and so
/// on, which stands for more values than any computer can compare. No definition has such keys. Telling them apart from
/// text takes a YAML scanner, so this looks for the signs alone, and refuses only where many aliases and a key that is
/// not a plain word come together.
enum YAMLGuard {
    /// With fewer aliases than this, no nesting of them gets large.
    private static let harmlessAliases = 16

    static func check(_ input: [UInt8]) throws(SyntaxError) {
        let (aliases, key) = input.withUnsafeBufferPointer { signs(in: $0) }
        guard aliases >= harmlessAliases, let key else { return }
        throw SyntaxError(
            place: .offset(key), message: "a key that is not a plain word is not accepted in YAML with many aliases")
    }

    /// How many words look like aliases, and the first place that looks like a key other than a word.
    private static func signs(in bytes: UnsafeBufferPointer<UInt8>) -> (aliases: Int, key: Int?) {
        var aliases = 0
        var key: Int?
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "*"):
                guard let end = endOfAlias(in: bytes, at: index) else { continue }
                aliases += 1
                if nextIsColon(in: bytes, from: end) { key = key ?? index }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if nextIsColon(in: bytes, from: index + 1) { key = key ?? index }
            case UInt8(ascii: "?"):
                let isAlone = index + 1 == bytes.count || bytes[index + 1] <= 0x20 || isIndicator(bytes[index + 1])
                if isAlone, startsWord(in: bytes, at: index) { key = key ?? index }
            default: continue
            }
        }
        return (aliases, key)
    }

    /// Where the name behind a `*` ends; nil if this is not an alias.
    private static func endOfAlias(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Int? {
        guard startsWord(in: bytes, at: index) else { return nil }
        var end = index + 1
        while end < bytes.count, isNameByte(bytes[end]) { end += 1 }
        return end > index + 1 ? end : nil
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    private static func isIndicator(_ byte: UInt8) -> Bool { "[]{},*&!|>'\"%@`".utf8.contains(byte) }

    private static func startsWord(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Bool {
        guard index > 0 else { return true }
        let before = bytes[index - 1]
        return before <= 0x20 || before >= 0x80 || "[]{},:?-".utf8.contains(before)
    }

    private static func nextIsColon(in bytes: UnsafeBufferPointer<UInt8>, from index: Int) -> Bool {
        var position = index
        while position < bytes.count, bytes[position] == 0x20 || bytes[position] == 0x09 { position += 1 }
        return position < bytes.count && bytes[position] == UInt8(ascii: ":")
    }
}
