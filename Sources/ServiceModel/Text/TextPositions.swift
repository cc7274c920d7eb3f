/// Lines and columns of byte offsets in a text.
enum TextPositions {
    /// The marks of offsets, in one pass over the text. Columns count Unicode scalars, without a byte-order mark.
    static func marks(of offsets: some Sequence<Int>, in text: [UInt8]) -> [Int: TextMark] {
        var marks: [Int: TextMark] = [:]
        var mark = TextMark(line: 1, column: 1)
        var position = text.starts(with: byteOrderMark) ? byteOrderMark.count : 0
        text.withUnsafeBufferPointer { text in
            for offset in Set(offsets).sorted() {
                while position < min(offset, text.count) {
                    let byte = text[position]
                    position += 1
                    if byte == UInt8(ascii: "\n") {
                        mark.line &+= 1
                        mark.column = 1
                    } else if byte & 0xc0 != 0x80 {
                        mark.column &+= 1
                    }
                }
                marks[offset] = mark
            }
        }
        return marks
    }

    /// U+FEFF in UTF-8, which some editors put in front.
    static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]
}

extension DocumentTree {
    /// Where a node of a JSON tree starts in the text: at the quote of a string, at the first byte of anything else.
    func sourceOffset(of node: NodeID) -> Int {
        let entry = self[node]
        return Int(entry.offset) - (entry.kind == .string || entry.kind == .key ? 1 : 0)
    }
}
