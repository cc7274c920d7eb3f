extension Definitions {
    /// Decodes and checks all inputs together: JSON or YAML, native or Kubernetes form, freely mixed.
    ///
    /// Every error in every input is reported at once. The result does not depend on the order of services.
    ///
    /// - Parameters:
    ///   - mostFindings: how many errors, and how many warnings, are told one by one; of more, their number is.
    ///   - check: what others have to say of a service, to be told with its place beside all else.
    public init(
        decoding inputs: [DefinitionInput], mostFindings: Int = Self.usualFindings,
        check: (Service) -> [ServiceRemark] = { _ in [] }
    ) throws(InvalidDefinitions) {
        var decoder = DefinitionsDecoder(inputs, findings: FindingCollector(limit: mostFindings))
        self = try decoder.decode(check)
    }

    /// As many findings as anybody reads in a log or a status.
    public static var usualFindings: Int { 100 }
}

/// What somebody beyond the decoder, as a backend, has to say of a service.
public struct ServiceRemark: Hashable, Sendable {
    public var severity: Finding.Severity
    /// One sentence without a full stop.
    public var message: String

    public init(severity: Finding.Severity, message: String) {
        self.severity = severity
        self.message = message
    }
}

/// Decodes a set of inputs in four steps: text to trees, trees to services, slices to their services, and the checks
/// that take all services.
struct DefinitionsDecoder {
    let inputs: [DefinitionInput]
    let findings: FindingCollector
    /// Nil for inputs that are neither JSON nor YAML.
    private(set) var trees: [DocumentTree?] = []
    var registry = ServiceRegistry()
    var slices: [SliceReference] = []
    var nodes: [String: (node: ClusterNode, definition: NodeReference)] = [:]

    init(_ inputs: [DefinitionInput], findings: FindingCollector) {
        self.inputs = inputs
        self.findings = findings
    }

    mutating func decode(_ check: (Service) -> [ServiceRemark]) throws(InvalidDefinitions) -> Definitions {
        trees = inputs.indices.map { Self.readTree(inputs[$0].bytes, input: $0, findings) }
        let readers = trees.enumerated().map { index, tree in
            tree.map { ValueReader(tree: $0, input: index, findings: findings) }
        }
        for case .some(let reader) in readers {
            for root in reader.tree.roots { decodeDocument(root, reader) }
        }
        decodeSlices(readers)
        registry.checkClaims(findings, trees)
        registry.note(check, findings)
        guard findings.errorCount == 0 else {
            throw findings.refusal(of: inputs, trees: trees)
        }
        return Definitions(
            services: registry.sortedServices(), skipped: registry.skipped.sorted { $0.name < $1.name },
            nodes: nodes.values.map(\.node).sorted { $0.name < $1.name },
            warnings: findings.warningFindings(inputs: inputs, trees: trees))
    }

    /// Nil, with the reason noted, for what is neither JSON nor YAML.
    static func readTree(_ bytes: [UInt8], input index: Int, _ findings: FindingCollector) -> DocumentTree? {
        do {
            let tree = try InputReader.read(bytes)
            for duplicate in tree.duplicateKeys {
                findings.add(
                    .init(
                        severity: .error, input: index, place: .node(duplicate.second),
                        message: "the key \(tree.string(duplicate.second).quoted) stands twice in this object",
                        other: NodeReference(input: index, node: duplicate.first)))
            }
            return tree
        } catch {
            findings.add(.init(severity: .error, input: index, place: .syntax(error.place), message: error.message))
            return nil
        }
    }

    /// The single JSON object of an input; nil, with the reason noted, for anything else.
    static func readObject(
        _ bytes: [UInt8], input index: Int, _ findings: FindingCollector
    ) -> (tree: DocumentTree?, root: NodeID?) {
        guard bytes.first(where: { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }) == UInt8(ascii: "{") else {
            findings.add(
                .init(severity: .error, input: index, place: .syntax(.whole), message: "expected an object in JSON"))
            return (nil, nil)
        }
        let tree = readTree(bytes, input: index, findings)
        if let tree, let second = tree.roots.dropFirst().first {
            findings.add(
                .init(
                    severity: .error, input: index, place: .node(second), message: "expected one object, found more"))
        }
        return (tree, tree?.roots.first)
    }

    /// A document is a native object with `services`, a Kubernetes object with `kind`, or a list of these.
    private mutating func decodeDocument(_ node: NodeID, _ reader: ValueReader) {
        if reader.tree.kind(node) == .array {
            for element in reader.tree.elements(of: node) { decodeDocument(element, reader) }
            return
        }
        guard reader.isObject(node) else { return }
        if reader.tree.hasMember("kind", node) || reader.tree.hasMember("apiVersion", node) {
            decodeKubernetesObject(node, reader)
        } else {
            decodeNativeDocument(node, reader)
        }
    }
}

extension DocumentTree {
    /// Whether an object has a member of a name, null or not.
    func hasMember(_ name: StaticString, _ object: NodeID) -> Bool {
        members(of: object).contains { text(of: $0.key, is: name) }
    }
}
