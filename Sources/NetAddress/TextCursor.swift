/// Writes ASCII into a piece of memory of fixed size, front to back; what does not fit is left out.
///
/// Dry runs print addresses and ports by the hundred thousand: a line is put together on the stack and then appended
/// as a whole.
public struct TextCursor {
    @usableFromInline let buffer: UnsafeMutableRawBufferPointer
    /// Bytes written so far.
    public private(set) var count = 0

    /// A cursor at the start of a piece of memory, which must outlive it.
    public init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    /// What has been written.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[..<count]) }

    /// Goes back to the start.
    public mutating func reset() { count = 0 }

    /// Writes one byte.
    public mutating func put(_ byte: UInt8) {
        guard count < buffer.count else { return }
        buffer[count] = byte
        count += 1
    }

    /// Writes text that is known when compiling, without making a string of it.
    public mutating func put(_ text: StaticString) {
        text.withUTF8Buffer { for byte in $0 { put(byte) } }
    }

    /// Writes a string's UTF-8.
    public mutating func put(_ text: String) {
        for byte in text.utf8 { put(byte) }
    }

    /// Writes a number in decimal.
    public mutating func put(decimal number: UInt32) {
        var divisor: UInt32 = 1
        while divisor <= number / 10 { divisor *= 10 }
        var rest = number
        while divisor > 0 {
            put(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / divisor))
            rest %= divisor
            divisor /= 10
        }
    }

    /// Writes a number in hexadecimal without leading zeros.
    public mutating func put(hexadecimal number: UInt16) {
        var shift: UInt16 = 12
        while shift > 0, number >> shift == 0 { shift -= 4 }
        while true {
            let digit = UInt8(truncatingIfNeeded: number >> shift & 0xf)
            put(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            if shift == 0 { return }
            shift -= 4
        }
    }
}
