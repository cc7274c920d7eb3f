/// The syntaxes that Kubernetes demands of names. All of them are ASCII without quotes, spaces and control characters,
/// so what passes can stand in any rule, comment or command line.
enum NameSyntax {
    /// RFC 1123: at most 63 of `a-z`, `0-9` and `-`, with a letter or digit at both ends.
    static func isLabel(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard (1...63).contains(text.count), let first = text.first, let last = text.last else { return false }
        guard first != UInt8(ascii: "-"), last != UInt8(ascii: "-") else { return false }
        return text.allSatisfy { isLowercase($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    }

    /// At most 253 bytes of labels with dots between.
    static func isSubdomain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard (1...253).contains(text.count) else { return false }
        var start = 0
        for end in 0...text.count where end == text.count || text[end] == UInt8(ascii: ".") {
            let part = UnsafeBufferPointer(rebasing: text[start..<end])
            guard let first = part.first, let last = part.last else { return false }
            guard first != UInt8(ascii: "-"), last != UInt8(ascii: "-") else { return false }
            guard part.allSatisfy({ isLowercase($0) || isDigit($0) || $0 == UInt8(ascii: "-") }) else { return false }
            start = end + 1
        }
        return true
    }

    /// At most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
    static func isLabelValue(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard (1...63).contains(text.count), let first = text.first, let last = text.last else { return false }
        guard isAlphanumeric(first), isAlphanumeric(last) else { return false }
        return text.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
    }

    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    static func isLowercase(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || isLowercase(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}
