/// Reads a flat file of settings, in YAML or JSON: one object whose values are scalars or lists of scalars.
public enum SettingsFile {
    /// One setting as it is written.
    public struct Setting: Hashable, Sendable {
        public var name: String
        /// The text of the value: one for a scalar, any number for a list. Booleans read `true` and `false`.
        public var values: [String]
    }

    /// Hands every setting to a closure that answers with what is wrong with its value, or nil.
    ///
    /// A name that is not among `names`, a name that stands twice, and a value that is no scalar and no list of scalars
    /// are errors. A value of null counts as absent, and so does an empty file.
    ///
    /// - Throws: all errors at once, with line and column.
    public static func read(
        _ input: DefinitionInput, names: [String], _ take: (Setting) -> String?
    ) throws(InvalidDefinitions) {
        let findings = FindingCollector()
        let tree = hasContent(input.bytes) ? DefinitionsDecoder.readTree(input.bytes, input: 0, findings) : nil
        if let tree {
            let reader = ValueReader(tree: tree, input: 0, findings: findings)
            for root in tree.roots { read(root, reader, names, take) }
        }
        guard findings.errorCount == 0 else { throw findings.refusal(of: [input], trees: [tree]) }
    }

    /// Whether there is anything but white space and comments, which the reader of definitions refuses.
    private static func hasContent(_ bytes: [UInt8]) -> Bool {
        bytes.split(separator: UInt8(ascii: "\n")).contains { line in
            let first = line.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0d }
            return first != nil && first != UInt8(ascii: "#")
        }
    }

    private static func read(
        _ root: NodeID, _ reader: ValueReader, _ names: [String], _ take: (Setting) -> String?
    ) {
        guard reader.isObject(root) else { return }
        for (key, value) in reader.tree.members(of: root) {
            let name = reader.tree.string(key)
            guard names.contains(name) else {
                reader.fail(key, "unknown option \(name.quoted)\(NearestName.hint(for: name, among: names))")
                continue
            }
            guard !reader.isNull(value), let values = values(of: value, reader) else { continue }
            if let message = take(Setting(name: name, values: values)) { reader.fail(value, message) }
        }
    }

    private static func values(of node: NodeID, _ reader: ValueReader) -> [String]? {
        guard reader.tree.kind(node) == .array else { return scalar(node, reader).map { [$0] } }
        let elements = reader.tree.elements(of: node).map { scalar($0, reader) }
        return elements.contains(nil) ? nil : elements.compactMap { $0 }
    }

    private static func scalar(_ node: NodeID, _ reader: ValueReader) -> String? {
        switch reader.tree.kind(node) {
        case .true: return "true"
        case .false: return "false"
        case .string, .number: return reader.tree.string(node)
        case .null, .key, .array, .object:
            reader.fail(node, "expected a text, a number, true, false, or a list of them")
            return nil
        }
    }
}
