/// A C structure of an extension as its bytes: numbers in the machine's byte order, padded to a multiple of 8 bytes
/// (`XT_ALIGN`). What is not written is zero.
struct Structure {
    private(set) var bytes: [UInt8]

    init(byteCount: Int) { bytes = [UInt8](repeating: 0, count: (byteCount + 7) / 8 * 8) }

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func put(_ number: some FixedWidthInteger, at offset: Int) {
        bytes.withUnsafeMutableBytes { memory in
            guard offset >= 0, offset + number.bitWidth / 8 <= memory.count else { return }
            memory.storeBytes(of: number, toByteOffset: offset, as: type(of: number))
        }
    }

    mutating func put(_ content: some Collection<UInt8>, at offset: Int) {
        guard offset >= 0, offset <= bytes.count else { return }
        let fitting = content.prefix(bytes.count - offset)
        bytes.withUnsafeMutableBytes { memory in
            UnsafeMutableRawBufferPointer(rebasing: memory[offset...]).copyBytes(from: fitting)
        }
    }

    /// The number at an offset; nil outside.
    func number<Number: FixedWidthInteger>(_ offset: Int, as: Number.Type = Number.self) -> Number? {
        bytes.withUnsafeBytes { memory in
            guard offset >= 0, offset + Number.bitWidth / 8 <= memory.count else { return nil }
            return memory.loadUnaligned(fromByteOffset: offset, as: Number.self)
        }
    }

    /// The text at an offset, which ends at a zero; nil if it is no UTF-8.
    func text(_ offset: Int, _ length: Int) -> String? {
        guard bytes.indices.contains(offset) else { return nil }
        let field = bytes[offset..<Swift.min(offset + length, bytes.count)].prefix { $0 != 0 }
        return String(validating: field, as: UTF8.self)
    }
}
