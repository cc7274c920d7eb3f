internal import NFTables

/// The registers of nf_tables' virtual machine: sixteen words of four bytes. What no instruction of the rule has loaded
/// is not known.
struct Registers {
    private var words: SIMD16<UInt32> = .zero
    private var known: UInt16 = 0

    static let count = 16

    /// Bytes from the start of a word; nil if any of them is not known or beyond the last word.
    func bytes(at word: Int, count: Int) -> [UInt8]? {
        withBytes(at: word, count: count) { Array($0) }
    }

    func withBytes<Result>(at word: Int, count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        guard let mask = Self.mask(word, count), known & mask == mask else { return nil }
        return withUnsafeBytes(of: words) { body(UnsafeRawBufferPointer(rebasing: $0[word * 4..<word * 4 + count])) }
    }

    /// A key of a set, padded to whole words. Bytes after the last one that counts are zero.
    func key(at word: Int, significant: Int, padded: Int) -> ElementKey? {
        guard let mask = Self.mask(word, padded), known & mask == mask, significant <= padded else { return nil }
        var copy = words
        return withUnsafeMutableBytes(of: &copy) { all in
            for index in significant..<padded { all[word * 4 + index] = 0 }
            return ElementKey(bytes: UnsafeRawBufferPointer(rebasing: all[word * 4..<word * 4 + padded]))
        }
    }

    /// Loads bytes, padded with zeros to whole words, as the kernel does.
    mutating func store(_ bytes: some Collection<UInt8>, at word: Int) {
        guard let mask = Self.mask(word, bytes.count) else { return }
        let padded = (bytes.count + 3) & ~3
        withUnsafeMutableBytes(of: &words) { all in
            for index in word * 4..<word * 4 + padded { all[index] = 0 }
            for (index, byte) in bytes.enumerated() { all[word * 4 + index] = byte }
        }
        known |= mask
    }

    /// Loads a number in host byte order.
    mutating func store(number: UInt32, at word: Int) {
        guard (0..<Self.count).contains(word) else { return }
        words[word] = number
        known |= 1 << UInt16(word)
    }

    /// Loads something that the trace does not know.
    mutating func forget(at word: Int, count: Int) {
        if let mask = Self.mask(word, count) { known &= ~mask }
    }

    /// A bit for each word that some bytes lie in; nil if they do not fit.
    private static func mask(_ word: Int, _ count: Int) -> UInt16? {
        guard word >= 0, count >= 0, word < Self.count, count <= (Self.count - word) * 4 else { return nil }
        let length = (count + 3) / 4
        return length == 0 ? 0 : UInt16(truncatingIfNeeded: ((1 << length) - 1) << word)
    }
}

extension Register {
    /// The index of the register's first word (`enum nft_registers`); nil for the verdict's register, and for numbers
    /// that are none.
    var word: Int? {
        switch number {
        case 1...4: Int(number - 1) * 4
        case 8...23: Int(number - 8)
        default: nil
        }
    }
}
