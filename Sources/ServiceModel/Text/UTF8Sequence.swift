/// Well-formed UTF-8 (Unicode 15, table 3-7).
enum UTF8Sequence {
    /// The bytes of the sequence of more than one byte that starts at an index; nil if it is not well-formed.
    static func length(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Int? {
        let first = bytes[index]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch first {
        case 0xc2...0xdf: length = 2
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: length = 3
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: length = 4
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default: return nil
        }
        guard index + length <= bytes.count, second.contains(bytes[index + 1]) else { return nil }
        for position in index + 2..<index + length where !(0x80...0xbf).contains(bytes[position]) { return nil }
        return length
    }

    /// The index of the first byte that is not part of well-formed UTF-8.
    static func firstInvalid(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var index = 0
        while index < bytes.count {
            if bytes[index] < 0x80 {
                index += 1
            } else if let length = length(in: bytes, at: index) {
                index += length
            } else {
                return index
            }
        }
        return nil
    }
}
