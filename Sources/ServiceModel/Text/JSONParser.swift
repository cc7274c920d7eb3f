/// Why an input could not be read as JSON or YAML at all.
struct SyntaxError: Error {
    enum Place {
        case whole
        case offset(Int)
        case mark(TextMark)
    }

    var place: Place
    var message: String
}

/// Reads strict JSON (RFC 8259) into a ``DocumentTree`` in one pass.
///
/// Several values may follow each other, as `kubectl` prints them. The depth is limited, so that no input can exhaust
/// the stack.
struct JSONParser {
    /// How deep arrays and objects may nest. Kubernetes objects need about ten.
    static let maximumDepth = 64

    let bytes: UnsafeBufferPointer<UInt8>
    var position: Int
    private(set) var nodes: [TreeNode] = []
    private(set) var roots: [NodeID] = []
    private(set) var duplicateKeys: [DuplicateKey] = []

    /// The tree of an input, whose JSON starts at an offset (after a byte-order mark).
    static func parse(_ input: [UInt8], from start: Int = 0) throws(SyntaxError) -> DocumentTree {
        var tree = try input.withUnsafeBufferPointer { (bytes) throws(SyntaxError) in
            var parser = JSONParser(bytes: bytes, position: start)
            try parser.parseDocuments()
            return DocumentTree(
                nodes: parser.nodes, roots: parser.roots, duplicateKeys: parser.duplicateKeys)
        }
        tree.text = input
        return tree
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, position: Int) {
        self.bytes = bytes
        self.position = position
        // Room that is not used is never touched, so a generous guess costs no memory.
        nodes.reserveCapacity(bytes.count / 6 + 16)
    }

    private mutating func parseDocuments() throws(SyntaxError) {
        skipSpace()
        while position < bytes.count {
            roots.append(NodeID(nodes.count))
            try parseValue(depth: 0)
            skipSpace()
        }
    }

    private mutating func parseValue(depth: Int) throws(SyntaxError) {
        switch peek() {
        case UInt8(ascii: "{"): try parseObject(depth: depth)
        case UInt8(ascii: "["): try parseArray(depth: depth)
        case UInt8(ascii: "\""): try parseString(.string)
        case UInt8(ascii: "-"): try parseNumber()
        case .some(UInt8(ascii: "0")...UInt8(ascii: "9")): try parseNumber()
        case UInt8(ascii: "t"): try parseLiteral("true", .true)
        case UInt8(ascii: "f"): try parseLiteral("false", .false)
        case UInt8(ascii: "n"): try parseLiteral("null", .null)
        default: throw unexpected("a value")
        }
    }

    private mutating func parseObject(depth: Int) throws(SyntaxError) {
        let object = try open(.object, depth: depth)
        var count: UInt32 = 0
        skipSpace()
        if !skip(UInt8(ascii: "}")) {
            repeat {
                skipSpace()
                guard peek() == UInt8(ascii: "\"") else {
                    throw unexpected(count == 0 ? "a key in double quotes or '}'" : "a key in double quotes after ','")
                }
                try parseString(.key)
                skipSpace()
                guard skip(UInt8(ascii: ":")) else { throw unexpected("':' after the key") }
                skipSpace()
                try parseValue(depth: depth + 1)
                count += 1
                skipSpace()
            } while skip(UInt8(ascii: ","))
            guard skip(UInt8(ascii: "}")) else { throw unexpected("',' or '}'") }
        }
        close(object, count: count)
        DuplicateKey.find(in: object, nodes: nodes, text: bytes, into: &duplicateKeys)
    }

    private mutating func parseArray(depth: Int) throws(SyntaxError) {
        let array = try open(.array, depth: depth)
        var count: UInt32 = 0
        skipSpace()
        if !skip(UInt8(ascii: "]")) {
            repeat {
                skipSpace()
                if count > 0, peek() == UInt8(ascii: "]") { throw unexpected("a value after ','") }
                try parseValue(depth: depth + 1)
                count += 1
                skipSpace()
            } while skip(UInt8(ascii: ","))
            guard skip(UInt8(ascii: "]")) else { throw unexpected("',' or ']'") }
        }
        close(array, count: count)
    }

    private mutating func open(_ kind: TreeNode.Kind, depth: Int) throws(SyntaxError) -> Int {
        guard depth < Self.maximumDepth else {
            throw failure("objects and lists are nested deeper than \(Self.maximumDepth) levels")
        }
        append(kind, from: position)
        position += 1
        return nodes.count - 1
    }

    private mutating func close(_ node: Int, count: UInt32) {
        nodes[node].length = count
        nodes[node].end = UInt32(truncatingIfNeeded: nodes.count)
    }

    /// Adds a node whose text runs from an offset up to an end, which is the present position if none is given.
    mutating func append(_ kind: TreeNode.Kind, from start: Int, to end: Int? = nil, hasEscapes: Bool = false) {
        nodes.append(
            TreeNode(
                offset: UInt32(truncatingIfNeeded: start),
                length: UInt32(truncatingIfNeeded: (end ?? position) - start),
                end: UInt32(truncatingIfNeeded: nodes.count + 1), kind: kind, hasEscapes: hasEscapes))
    }
}

// MARK: - The cursor

extension JSONParser {
    func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skip(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0a, 0x0d, 0x09: position += 1
            default: return
            }
        }
    }

    func failure(_ message: String, at offset: Int? = nil) -> SyntaxError {
        SyntaxError(place: .offset(offset ?? position), message: message)
    }

    func unexpected(_ expected: String) -> SyntaxError {
        let found =
            switch peek() {
            case nil: "the end of the input"
            case UInt8(ascii: "'"): "a single quote"
            case .some(let byte) where (0x21...0x7e).contains(byte): "'\(Unicode.Scalar(byte))'"
            case .some(let byte) where byte < 0x80: "a control character"
            default: "a character that must stand within quotes"
            }
        return failure("expected \(expected), found \(found)")
    }
}
