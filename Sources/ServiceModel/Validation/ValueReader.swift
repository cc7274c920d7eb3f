/// Reads typed values out of one input's tree, and notes what is wrong with them.
///
/// A reading function returns nil if it has noted an error.
struct ValueReader {
    let tree: DocumentTree
    /// The index of the input.
    let input: Int
    let findings: FindingCollector
    let strings = StringTable()

    init(tree: DocumentTree, input: Int, findings: FindingCollector) {
        self.tree = tree
        self.input = input
        self.findings = findings
    }

    func fail(_ node: NodeID, _ message: String, other: NodeReference? = nil) {
        findings.add(.init(severity: .error, input: input, place: .node(node), message: message, other: other))
    }

    func warn(_ node: NodeID, _ message: String, other: NodeReference? = nil) {
        findings.add(.init(severity: .warning, input: input, place: .node(node), message: message, other: other))
    }

    // MARK: - JSON's types

    func isNull(_ node: NodeID) -> Bool { tree.kind(node) == .null }

    /// Whether a value is an object; notes an error if not.
    func isObject(_ node: NodeID) -> Bool { expect(.object, node, "an object") }

    /// Whether a value is a list; notes an error if not.
    func isList(_ node: NodeID) -> Bool { expect(.array, node, "a list") }

    /// Whether a value is a string; notes an error if not.
    func isString(_ node: NodeID) -> Bool { expect(.string, node, "a string") }

    private func expect(_ kind: TreeNode.Kind, _ node: NodeID, _ what: String) -> Bool {
        if tree.kind(node) == kind { return true }
        fail(node, "expected \(what), found \(description(of: node))")
        return false
    }

    func string(_ node: NodeID) -> String? { isString(node) ? tree.string(node) : nil }

    func bool(_ node: NodeID) -> Bool? {
        switch tree.kind(node) {
        case .true: return true
        case .false: return false
        default:
            fail(node, "expected true or false, found \(description(of: node))")
            return nil
        }
    }

    func integer(_ node: NodeID, in range: ClosedRange<Int>) -> Int? {
        guard tree.kind(node) == .number else {
            fail(
                node,
                "expected a number from \(range.lowerBound) to \(range.upperBound), "
                    + "found \(description(of: node))")
            return nil
        }
        guard let number = tree.withText(of: node, Self.wholeNumber), range.contains(number) else {
            fail(node, "\(description(of: node)) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    /// Nil for fractions, exponents, and numbers too large to be of use.
    private static func wholeNumber(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
        let isNegative = text.first == UInt8(ascii: "-")
        guard text.count <= 16 else { return nil }
        var number = 0
        for byte in text.dropFirst(isNegative ? 1 : 0) {
            guard NameSyntax.isDigit(byte) else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return isNegative ? -number : number
    }

    /// The value of a string that must be one of a few.
    func choice<Value: CaseIterable & RawRepresentable<String>>(_ node: NodeID, of type: Value.Type) -> Value? {
        guard let text = string(node) else { return nil }
        if let value = Value(rawValue: text) { return value }
        let names = Value.allCases.map(\.rawValue)
        let hint = NearestName.hint(for: text, among: names)
        fail(node, "expected \(names.map(\.quoted).joined(separator: " or ")), found \(text.quoted)\(hint)")
        return nil
    }

    /// How a message speaks of a value.
    func description(of node: NodeID) -> String {
        switch tree.kind(node) {
        case .null: "null"
        case .false: "false"
        case .true: "true"
        case .number: "the number \(tree.string(node).prefix(40))"
        case .string, .key: tree.string(node).quoted
        case .array: "a list"
        case .object: "an object"
        }
    }
}
