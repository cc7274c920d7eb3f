/// A place for 4 bytes in the virtual machine of nf_tables; a value takes as many neighbours as it needs.
///
/// There are sixteen (`NFT_REG32_00` up to `NFT_REG32_15`). The kernel reports every fourth by its older name
/// (`NFT_REG_1` up to `NFT_REG_4`, 16 bytes each), and so does this type, so that what was written and what is read
/// back are equal.
public struct Register: Hashable, Sendable {
    /// The number as it stands on the wire (`enum nft_registers`).
    public let number: UInt32

    /// A register by its wire number.
    public init(number: UInt32) {
        self = number >= 8 ? Register(word: Int(min(number, 64)) - 8) : Register(raw: number)
    }

    /// A register by the index of its 4 bytes, from 0.
    public init(word: Int) {
        self.init(raw: word % 4 == 0 ? UInt32(1 + word / 4) : UInt32(8 + word))
    }

    private init(raw: UInt32) { number = raw }

    /// The register that all rules load into first.
    public static let first = Register(word: 0)
}
