/// A number of 64 bits that stands for a run of words, made with a secret seed so that nobody can choose words that go
/// together. The same in every process, unlike Swift's `Hasher`.
struct Digest {
    private(set) var value: UInt64

    init(seed: UInt64) { value = seed }

    /// Both halves of a full product: every bit of the word reaches every bit of the digest.
    @inline(__always)
    mutating func add(_ word: UInt64) {
        let product = (value ^ word ^ 0x2d35_8dcc_aa6c_78a5).multipliedFullWidth(by: 0x8bb8_4b93_962e_acc9)
        value = product.high ^ product.low &+ 0x9e37_79b9_7f4a_7c15
    }

    /// Eight bytes at a time, and how many there were.
    mutating func add(_ text: String) {
        var (word, count) = (UInt64(0), UInt64(0))
        for byte in text.utf8 {
            word = word << 8 | UInt64(byte)
            count += 1
            if count % 8 == 0 { add(word) }
        }
        add(word)
        add(count)
    }
}
