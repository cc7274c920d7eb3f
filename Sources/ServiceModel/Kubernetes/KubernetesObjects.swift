/// A slice that is read once all services are known.
struct SliceReference {
    var object: NodeReference
    var service: ServiceName
    /// The label that names the service.
    var label: NodeID
}

/// The parts of an object's metadata that a proxy looks at.
struct KubernetesMetadata {
    var name: ServiceName
    var nameNode: NodeID
    var labels: NodeID?
    var creationTimestamp: String?
}

extension DefinitionsDecoder {
    /// Decodes a Service, an EndpointSlice, a Node, or a list of them. `itemKind` is what an item of a typed list is.
    mutating func decodeKubernetesObject(_ node: NodeID, _ reader: ValueReader, itemKind: String? = nil) {
        guard reader.isObject(node) else { return }
        let fields = reader.fields(of: node, KubernetesObjectField.table)
        var kind = itemKind
        if let kindNode = fields[.kind] {
            guard let text = reader.string(kindNode) else { return }
            kind = text
        }
        guard let kind else { return reader.fail(node, "a Kubernetes object needs a kind") }
        var version: String?
        if let versionNode = fields[.apiVersion] {
            guard let text = reader.string(versionNode) else { return }
            version = text
        }
        switch (kind, version) {
        case ("Service", "v1"), ("Service", nil):
            decodeKubernetesService(node, fields, reader)
        case ("EndpointSlice", "discovery.k8s.io/v1"), ("EndpointSlice", nil):
            noteSlice(node, fields, reader)
        case ("EndpointSlice", "discovery.k8s.io/v1beta1"):
            reader.fail(fields[.apiVersion] ?? node, "discovery.k8s.io/v1beta1 has other fields; convert it to v1")
        case ("Node", "v1"), ("Node", nil):
            decodeKubernetesNode(node, fields, reader)
        case ("List", "v1"), ("List", nil):
            decodeItems(fields, reader, itemKind: nil)
        case ("ServiceList", "v1"), ("ServiceList", nil):
            decodeItems(fields, reader, itemKind: "Service")
        case ("EndpointSliceList", "discovery.k8s.io/v1"), ("EndpointSliceList", nil):
            decodeItems(fields, reader, itemKind: "EndpointSlice")
        case ("NodeList", "v1"), ("NodeList", nil):
            decodeItems(fields, reader, itemKind: "Node")
        default:
            let group = version.map { " of \($0.quoted)" } ?? ""
            reader.warn(
                fields[.kind] ?? node,
                "\(kind.quoted)\(group) is neither a Service nor an EndpointSlice nor a Node; ignored")
        }
    }

    private mutating func decodeItems(
        _ fields: FieldNodes<KubernetesObjectField>, _ reader: ValueReader, itemKind: String?
    ) {
        guard let items = fields[.items], reader.isList(items) else { return }
        for item in reader.tree.elements(of: items) { decodeKubernetesObject(item, reader, itemKind: itemKind) }
    }

    private mutating func noteSlice(
        _ node: NodeID, _ fields: FieldNodes<KubernetesObjectField>, _ reader: ValueReader
    ) {
        guard let metadata = fields[.metadata] else { return reader.fail(node, "an EndpointSlice needs metadata") }
        let parts = reader.fields(of: metadata, MetadataField.table)
        let label = parts[.labels].flatMap { reader.tree.member("kubernetes.io/service-name", of: $0) }
        guard let label else {
            return reader.warn(metadata, "the slice has no label \"kubernetes.io/service-name\"; ignored")
        }
        let (service, namespace) = (reader.label(label, what: "service name"), reader.namespace(parts[.namespace]))
        guard let service, let namespace else { return }
        slices.append(
            SliceReference(
                object: NodeReference(input: reader.input, node: node),
                service: ServiceName(namespace: namespace, name: service), label: label))
    }
}

extension ValueReader {
    /// Name, namespace and what else matters; nil, with findings, if they are not valid.
    func metadata(_ node: NodeID?, of object: NodeID) -> KubernetesMetadata? {
        guard let node else {
            fail(object, "the object needs metadata")
            return nil
        }
        let fields = fields(of: node, MetadataField.table)
        guard let nameNode = fields[.name] else {
            fail(node, "the object needs a name")
            return nil
        }
        let (name, namespace) = (label(nameNode, what: "name"), namespace(fields[.namespace]))
        let creationTimestamp = fields[.creationTimestamp].flatMap { timestamp($0) }
        guard let name, let namespace else { return nil }
        return KubernetesMetadata(
            name: ServiceName(namespace: namespace, name: name), nameNode: nameNode, labels: fields[.labels],
            creationTimestamp: creationTimestamp)
    }

    func namespace(_ node: NodeID?) -> String? {
        guard let node, !tree.text(of: node, is: "") else { return "default" }
        return label(node, what: "namespace")
    }

    /// RFC 3339 in UTC, as the API server writes it: these compare as text.
    func timestamp(_ node: NodeID) -> String? {
        guard let text = string(node) else { return nil }
        let pattern = "dddd-dd-ddTdd:dd:ddZ".utf8
        let matches =
            text.utf8.count == pattern.count
            && zip(text.utf8, pattern).allSatisfy { $1 == UInt8(ascii: "d") ? NameSyntax.isDigit($0) : $0 == $1 }
        if matches { return text }
        fail(node, "\(text.quoted) is not a time such as 2026-01-31T12:00:00Z")
        return nil
    }
}
