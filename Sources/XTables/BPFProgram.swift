internal import NetAddress

/// A program of the classic packet filter, which sees a packet from its IP header on.
struct BPFProgram {
    /// struct sock_filter (linux/filter.h).
    struct Instruction {
        var code: UInt16
        /// How many instructions to skip.
        var ifTrue: UInt8 = 0
        var ifFalse: UInt8 = 0
        var operand: UInt32 = 0
    }

    let instructions: [Instruction]

    /// Compares the addresses, four bytes at a time, and matches if all are equal.
    static func sourceIsDestination(_ family: IPFamily) -> BPFProgram {
        let words = UInt32(family.addressLength / 4)
        var instructions: [Instruction] = []
        for word in 0..<words {
            instructions.append(Instruction(code: loadWord, operand: family.sourceOffset + word * 4))
            instructions.append(Instruction(code: copyToIndex))
            instructions.append(Instruction(code: loadWord, operand: family.destinationOffset + word * 4))
            // What is left of the program, but for its last instruction.
            let skipped = UInt8(truncatingIfNeeded: (words - word - 1) * 4 + 1)
            instructions.append(Instruction(code: jumpIfIndexIsEqual, ifFalse: skipped))
        }
        return BPFProgram(
            instructions: instructions + [Instruction(code: returnNumber, operand: 1), Instruction(code: returnNumber)])
    }

    /// As `--bytecode` takes it and iptables-save prints it: how many instructions, and each one's four numbers.
    var text: String {
        instructions.reduce("\(instructions.count)") { "\($0),\($1.code) \($1.ifTrue) \($1.ifFalse) \($1.operand)" }
    }
}

/// `BPF_LD | BPF_W | BPF_ABS` (linux/filter.h).
private let loadWord: UInt16 = 0x20
/// `BPF_MISC | BPF_TAX`.
private let copyToIndex: UInt16 = 0x07
/// `BPF_JMP | BPF_JEQ | BPF_X`.
private let jumpIfIndexIsEqual: UInt16 = 0x1d
/// `BPF_RET | BPF_K`.
private let returnNumber: UInt16 = 0x06
