/// Writes ASCII into a piece of memory of fixed size, front to back; what does not fit is left out, addresses as a
/// whole.
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
        let length = min(text.utf8CodeUnitCount, buffer.count - count)
        guard let base = buffer.baseAddress else { return }
        (base + count).copyMemory(from: text.utf8Start, byteCount: length)
        count += length
    }

    /// Writes a string's UTF-8.
    public mutating func put(_ text: String) {
        var text = text
        text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    private mutating func put(_ text: UnsafeRawBufferPointer) {
        let fitting = UnsafeRawBufferPointer(rebasing: text.prefix(buffer.count - count))
        UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: fitting)
        count += fitting.count
    }

    /// Writes a number in decimal.
    public mutating func put(decimal number: UInt32) {
        // Most numbers are octets and ports; dividing by constants is cheap, dividing by variables is not.
        if number >= 10 {
            if number >= 100 {
                if number >= 1000 { put(decimal: number / 1000) }
                put(digit: number / 100 % 10)
            }
            put(digit: number / 10 % 10)
        }
        put(digit: number % 10)
    }

    /// Writes an IPv4 address, given as a number in host order, in dotted decimal.
    mutating func put(ipv4 number: UInt32) {
        guard let base = buffer.baseAddress, buffer.count - count >= 15 else { return }
        var place = base + count
        func put(_ byte: UInt32) {
            place.storeBytes(of: UInt8(truncatingIfNeeded: byte), as: UInt8.self)
            place += 1
        }
        var shift: UInt32 = 24
        while true {
            let octet = number >> shift & 0xff
            if octet >= 10 {
                if octet >= 100 { put(0x30 + octet / 100) }
                put(0x30 + octet / 10 % 10)
            }
            put(0x30 + octet % 10)
            if shift == 0 { break }
            put(UInt32(UInt8(ascii: ".")))
            shift -= 8
        }
        count = place - base
    }

    private mutating func put(digit: UInt32) { put(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)) }

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
