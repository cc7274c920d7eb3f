/// Makes a tree of one input, JSON or YAML, told apart by content.
enum InputReader {
    /// Offsets and node numbers are 32 bits wide; and what is larger than this is not a definition.
    static let maximumBytes = 256 << 20

    static func read(_ input: [UInt8]) throws(SyntaxError) -> DocumentTree {
        guard input.count <= maximumBytes else {
            throw SyntaxError(
                place: .whole,
                message: "the input has \(input.count) bytes; at most \(maximumBytes >> 20) MiB are read")
        }
        let start = input.starts(with: TextPositions.byteOrderMark) ? TextPositions.byteOrderMark.count : 0
        guard let first = input[start...].first(where: { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }) else {
            throw SyntaxError(place: .whole, message: "the input is empty")
        }
        let isJSON = first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
        let tree =
            isJSON
            ? try JSONParser.parse(input, from: start)
            : try YAMLReader.parse(input, from: start)
        if tree.roots.isEmpty { throw SyntaxError(place: .whole, message: "the input is empty") }
        return tree
    }
}
