private import Yams

/// Reads YAML into the same ``DocumentTree`` as JSON.
///
/// The types follow what Kubernetes' tools make of YAML, see ``YAMLScalar``. Aliases are expanded, merge keys (`<<`)
/// too, up to a limit.
struct YAMLReader {
    /// YAML takes about fifteen times as long as JSON, and six times the memory.
    static let maximumBytes = 32 << 20

    private var tree = DocumentTree()
    private let maximumNodes: Int
    /// How many pairs merge keys have brought in. Merges can nest, so they are counted like nodes.
    private var mergedPairs = 0

    /// The tree of an input, whose text starts at an offset (after a byte-order mark).
    static func parse(_ input: [UInt8], from start: Int) throws(SyntaxError) -> DocumentTree {
        guard input.count <= maximumBytes else {
            throw SyntaxError(
                place: .whole,
                message: "YAML larger than \(maximumBytes >> 20) MiB is not read; write large inputs as JSON")
        }
        let invalid = input.withUnsafeBufferPointer { UTF8Sequence.firstInvalid(in: $0) }
        if let invalid { throw SyntaxError(place: .offset(invalid), message: "the text is not valid UTF-8") }
        try YAMLGuard.check(input)
        var reader = YAMLReader(inputBytes: input.count)
        try reader.readDocuments(String(decoding: input[start...], as: UTF8.self))
        return reader.tree
    }

    /// A text without aliases has fewer values than bytes.
    private init(inputBytes: Int) { maximumNodes = inputBytes + 100_000 }

    private mutating func readDocuments(_ text: String) throws(SyntaxError) {
        do {
            // The basic resolver knows no types: ours are resolved on the way into the tree.
            let parser = try Parser(yaml: text, resolver: .basic, constructor: .default, encoding: .utf8)
            while let root = try parser.nextRoot() {
                if case .scalar(let scalar) = root, YAMLScalar(scalar) == .null { continue }
                tree.roots.append(NodeID(tree.nodes.count))
                try add(root, depth: 0)
            }
        } catch let error as SyntaxError {
            throw error
        } catch let error as YamlError {
            throw SyntaxError(error)
        } catch {
            throw SyntaxError(place: .whole, message: "the YAML cannot be read")
        }
    }

    private mutating func add(_ node: Node, depth: Int) throws(SyntaxError) {
        let mark = TextMark(node.mark)
        guard depth < JSONParser.maximumDepth else {
            throw SyntaxError(
                place: .mark(mark),
                message: "mappings and lists are nested deeper than \(JSONParser.maximumDepth) levels")
        }
        switch node {
        case .scalar(let scalar):
            let value = YAMLScalar(scalar)
            try append(value.kind, value.text ?? scalar.string, mark)
        case .sequence(let sequence):
            let array = try append(.array, "", mark)
            for element in sequence { try add(element, depth: depth + 1) }
            close(array, count: sequence.count)
        case .mapping(let mapping):
            let object = try append(.object, "", mark)
            let pairs = try merged(mapping, depth: depth)
            for (key, value) in pairs {
                try append(.key, try keyText(key), TextMark(key.mark))
                try add(value, depth: depth + 1)
            }
            close(object, count: pairs.count)
            tree.text.withUnsafeBufferPointer { text in
                DuplicateKey.find(in: object, nodes: tree.nodes, text: text, into: &tree.duplicateKeys)
            }
        case .alias:
            throw SyntaxError(place: .mark(mark), message: "the alias cannot be resolved")
        }
    }

    @discardableResult
    private mutating func append(_ kind: TreeNode.Kind, _ text: String, _ mark: TextMark) throws(SyntaxError) -> Int {
        guard tree.nodes.count < maximumNodes, tree.text.count <= maximumNodes * 4 else {
            throw SyntaxError(
                place: .mark(mark), message: "the aliases expand to more than \(maximumNodes) values")
        }
        let start = tree.text.count
        tree.text.append(contentsOf: text.utf8)
        tree.nodes.append(
            TreeNode(
                offset: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: tree.text.count - start),
                end: UInt32(truncatingIfNeeded: tree.nodes.count + 1), kind: kind))
        tree.marks.append(mark)
        return tree.nodes.count - 1
    }

    private mutating func close(_ node: Int, count: Int) {
        tree.nodes[node].length = UInt32(truncatingIfNeeded: count)
        tree.nodes[node].end = UInt32(truncatingIfNeeded: tree.nodes.count)
    }

    private func keyText(_ key: Node) throws(SyntaxError) -> String {
        guard case .scalar(let scalar) = key else {
            throw SyntaxError(place: .mark(TextMark(key.mark)), message: "a key must be a string")
        }
        return scalar.string
    }

    /// The pairs of a mapping, with what its merge key brings in behind; a mapping's own keys win.
    private mutating func merged(_ mapping: Node.Mapping, depth: Int) throws(SyntaxError) -> [(Node, Node)] {
        var pairs: [(Node, Node)] = []
        var sources: [Node] = []
        for (key, value) in mapping {
            if case .scalar(let scalar) = key, scalar.style == .plain, scalar.string == "<<" {
                if case .sequence(let list) = value { sources += list } else { sources.append(value) }
            } else {
                pairs.append((key, value))
            }
        }
        guard !sources.isEmpty else { return pairs }
        var names = Set(pairs.compactMap { $0.0.scalar?.string })
        for source in sources {
            guard case .mapping(let mapping) = source, depth < JSONParser.maximumDepth else {
                throw SyntaxError(
                    place: .mark(TextMark(source.mark)),
                    message: "\"<<\" must be followed by a mapping or a list of them")
            }
            for (key, value) in try merged(mapping, depth: depth + 1) {
                mergedPairs += 1
                guard mergedPairs <= maximumNodes else {
                    throw SyntaxError(
                        place: .mark(TextMark(key.mark)),
                        message: "the aliases expand to more than \(maximumNodes) values")
                }
                if names.insert(try keyText(key)).inserted { pairs.append((key, value)) }
            }
        }
        return pairs
    }
}

extension YAMLScalar {
    fileprivate init(_ scalar: Node.Scalar) {
        self.init(scalar.string, tag: scalar.tag.rawValue, isPlain: scalar.style == .plain)
    }
}

extension TextMark {
    fileprivate init(_ mark: Mark?) {
        self.init(line: UInt32(clamping: mark?.line ?? 1), column: UInt32(clamping: mark?.column ?? 1))
    }
}

extension SyntaxError {
    fileprivate init(_ error: YamlError) {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let context = context.map { "\($0.text): " } ?? ""
            self.init(place: .mark(TextMark(mark)), message: context + problem)
        case .duplicatedKeysInMapping(let duplicates, let context):
            self.init(
                place: .mark(TextMark(context.mark)),
                message: "a key stands twice in one mapping: \(duplicates.map(\.quoted).joined(separator: ", "))")
        case .reader(let problem, let offset, _, let yaml):
            let before = yaml.prefix(offset ?? 0).utf8.count
            self.init(place: .offset(before), message: problem)
        case .memory:
            self.init(place: .whole, message: "the YAML is nested too deeply")
        default:
            self.init(place: .whole, message: "the YAML cannot be read")
        }
    }
}
