/// One `String` for each text that comes again and again: node names, zones, port names. Texts of up to 15 bytes need
/// no memory of their own and are not kept. A class, so that whoever reads need not be mutable for it.
final class StringTable {
    /// None until the first text comes that is kept: most documents of a store have none.
    private var slots: [String?] = []
    private var count = 0

    func string(_ text: UnsafeBufferPointer<UInt8>) -> String {
        if text.count <= 15 { return String(decoding: text, as: UTF8.self) }
        if slots.isEmpty { slots = Array(repeating: nil, count: 64) }
        var slot = Self.hash(text) & (slots.count - 1)
        while let known = slots[slot] {
            if known.utf8.count == text.count, known.utf8.elementsEqual(text) { return known }
            slot = (slot + 1) & (slots.count - 1)
        }
        let string = String(decoding: text, as: UTF8.self)
        slots[slot] = string
        count += 1
        if count * 2 > slots.count { grow() }
        return string
    }

    private func grow() {
        let old = slots
        slots = Array(repeating: nil, count: old.count * 2)
        for case .some(var string) in old {
            var slot = string.withUTF8 { Self.hash($0) } & (slots.count - 1)
            while slots[slot] != nil { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = string
        }
    }

    /// Seeded anew by each process, so that nobody can prepare texts that collide.
    private static func hash(_ text: UnsafeBufferPointer<UInt8>) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(text))
        return hasher.finalize()
    }
}
