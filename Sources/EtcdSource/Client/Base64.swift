/// Base64 as etcd's gateway writes it (RFC 4648 section 4, with padding), straight from the text of a message: every change
/// passes here, and Foundation would copy it three times.
enum Base64 {
    /// The number of each character, or 0xff.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xff, count: 256)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (value, character) in alphabet.utf8.enumerated() {
            values[Int(character)] = UInt8(truncatingIfNeeded: value)
        }
        return values
    }()

    /// Nil for what is not base64.
    static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
        let digits = text.dropLast(padding)
        var isValid = true
        let bytes = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { output, count in
            values.withUnsafeBufferPointer { values in
                var word: UInt32 = 0
                var bits = 0
                for digit in digits {
                    let value = values[Int(digit)]
                    isValid = isValid && value != 0xff
                    word = word << 6 | UInt32(value & 0x3f)
                    bits += 6
                    guard bits >= 8 else { continue }
                    bits -= 8
                    output[count] = UInt8(truncatingIfNeeded: word >> UInt32(bits))
                    count += 1
                }
            }
        }
        return isValid ? bytes : nil
    }
}
