import NetAddress

/// A service as a store of keys and values has it: the service itself is one document, and so is each endpoint that
/// others add to it.
public struct StoredService: Hashable, Sendable {
    /// With all endpoints: its own first, then the added ones in their order.
    public var service: Service
    /// What is legal but deserves a word.
    public var warnings: [Finding]

    /// Decodes and checks the documents together. Every error in every document is reported at once.
    ///
    /// - Parameters:
    ///   - service: one native service object in JSON.
    ///   - name: what the service must be called.
    ///   - endpoints: one native endpoint object in JSON each. One that says what another endpoint has said already,
    ///     address and ports, is an error.
    public init(
        decoding service: DefinitionInput, named name: ServiceName, endpoints: [DefinitionInput] = []
    ) throws(InvalidDefinitions) {
        var decoder = StoredServiceDecoder([service] + endpoints)
        guard let decoded = decoder.decode(name) else { throw decoder.refusal }
        self.service = decoded
        warnings = decoder.warnings
    }

    /// Checks one native endpoint object in JSON on its own, whatever the service's ports are.
    public static func check(endpoint: DefinitionInput) throws(InvalidDefinitions) {
        var decoder = StoredServiceDecoder([endpoint])
        decoder.checkEndpoint()
        guard decoder.isValid else { throw decoder.refusal }
    }
}

private struct StoredServiceDecoder {
    let inputs: [DefinitionInput]
    let findings = FindingCollector()
    private var trees: [DocumentTree?] = []

    init(_ inputs: [DefinitionInput]) { self.inputs = inputs }

    var isValid: Bool { findings.errorCount == 0 }
    var refusal: InvalidDefinitions { findings.refusal(of: inputs, trees: trees) }
    var warnings: [Finding] { findings.warningFindings(inputs: inputs, trees: trees) }

    /// Nil if there are errors.
    mutating func decode(_ name: ServiceName) -> Service? {
        let objects = inputs.indices.map { readObject($0) }
        var service: Service?
        if let (reader, node) = objects.first ?? nil { service = decodeService(reader, node, name) }
        let ports = isValidService ? service?.ports : nil
        var added: [(endpoint: Endpoint, place: (ValueReader, NodeID))] = []
        for case .some(let (reader, node)) in objects.dropFirst() {
            let needsPorts = ports?.contains { $0.target.isName } ?? false
            if let endpoint = reader.nativeEndpoint(node, ports, needsPorts: needsPorts) {
                added.append((endpoint, (reader, node)))
            }
        }
        guard var service, isValidService else { return nil }
        checkForDuplicates(service, added)
        service.endpoints += added.map(\.endpoint)
        return isValid ? service : nil
    }

    mutating func checkEndpoint() {
        if let (reader, node) = readObject(0) { _ = reader.nativeEndpoint(node, nil, needsPorts: false) }
    }

    /// Whether the first document has no errors.
    private var isValidService: Bool { !findings.invalidInputs.contains(0) }

    /// The single JSON object of an input.
    private mutating func readObject(_ index: Int) -> (ValueReader, NodeID)? {
        let (tree, root) = DefinitionsDecoder.readObject(inputs[index].bytes, input: index, findings)
        trees.append(tree)
        guard let tree, let root else { return nil }
        return (ValueReader(tree: tree, input: index, findings: findings), root)
    }

    private func decodeService(_ reader: ValueReader, _ node: NodeID, _ name: ServiceName) -> Service? {
        let fields = reader.nativeServiceNodes(node)
        if let nameNode = fields.name {
            if let found = reader.serviceName(nameNode), found != name {
                reader.fail(nameNode, "the name \"\(found)\" does not match the key, which is of \"\(name)\"")
            }
        } else {
            reader.fail(node, "a service needs a name")
        }
        return reader.nativeService(name, node, fields)
    }

    /// Notes added endpoints that stand somewhere before; those of the service itself are checked with it.
    private func checkForDuplicates(
        _ service: Service, _ added: [(endpoint: Endpoint, place: (ValueReader, NodeID))]
    ) {
        guard !added.isEmpty else { return }
        let usual = ServedPorts.usual(service.ports)
        var seen = Set(service.endpoints.map { ServedPorts($0, service.ports, usual: usual) })
        for (endpoint, (reader, node)) in added {
            let isNew = seen.insert(ServedPorts(endpoint, service.ports, usual: usual)).inserted
            if !isNew {
                reader.fail(node, "the service has an endpoint \(endpoint.address) with the same ports already")
            }
        }
    }
}
