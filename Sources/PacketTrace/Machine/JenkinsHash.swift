/// Bob Jenkins' lookup3 as Linux has it (`jhash` of linux/jhash.h), on whose value `jhash` in a rule depends.
package enum JenkinsHash {
    /// The hash of some bytes.
    ///
    /// - Parameter initial: what nft calls the seed.
    package static func hash(_ key: UnsafeRawBufferPointer, initial: UInt32) -> UInt32 {
        let start = 0xdead_beef &+ UInt32(truncatingIfNeeded: key.count) &+ initial
        var (a, b, c) = (start, start, start)
        var rest = key[...]
        while rest.count > 12 {
            a &+= number(rest)
            b &+= number(rest.dropFirst(4))
            c &+= number(rest.dropFirst(8))
            mix(&a, &b, &c)
            rest = rest.dropFirst(12)
        }
        guard !rest.isEmpty else { return c }
        a &+= number(rest)
        b &+= number(rest.dropFirst(4))
        c &+= number(rest.dropFirst(8))
        finish(&a, &b, &c)
        return c
    }

    /// The hash as a number from 0 up to, but not including, the modulus: the kernel scales it instead of dividing
    /// (`reciprocal_scale` of linux/kernel.h).
    package static func slot(_ key: UnsafeRawBufferPointer, seed: UInt32, modulus: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: (UInt64(hash(key, initial: seed)) &* UInt64(modulus)) >> 32)
    }

    /// Up to four bytes, the first one least; missing ones are zero.
    private static func number(_ bytes: Slice<UnsafeRawBufferPointer>) -> UInt32 {
        bytes.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func rotate(_ number: UInt32, _ count: UInt32) -> UInt32 {
        number << count | number >> (32 - count)
    }

    /// Takes one number from another, stirs it with the first rotated, and adds the third to the first.
    private static func stir(_ x: inout UInt32, _ y: inout UInt32, _ z: UInt32, _ count: UInt32) {
        x &-= y
        x ^= rotate(y, count)
        y &+= z
    }

    private static func mix(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
        stir(&a, &c, b, 4)
        stir(&b, &a, c, 6)
        stir(&c, &b, a, 8)
        stir(&a, &c, b, 16)
        stir(&b, &a, c, 19)
        stir(&c, &b, a, 4)
    }

    private static func finish(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
        func fold(_ x: inout UInt32, _ y: UInt32, _ count: UInt32) { x = (x ^ y) &- rotate(y, count) }
        fold(&c, b, 14)
        fold(&a, c, 11)
        fold(&b, a, 25)
        fold(&c, b, 16)
        fold(&a, c, 4)
        fold(&b, a, 14)
        fold(&c, b, 24)
    }
}
