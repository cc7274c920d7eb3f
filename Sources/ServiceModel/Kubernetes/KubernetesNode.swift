extension DefinitionsDecoder {
    mutating func decodeKubernetesNode(
        _ object: NodeID, _ fields: FieldNodes<KubernetesObjectField>, _ reader: ValueReader
    ) {
        guard let (node, nameNode) = reader.kubernetesNode(object, fields) else { return }
        let reference = NodeReference(input: reader.input, node: object)
        if let first = nodes[node.name] {
            return reader.fail(nameNode, "the node \(node.name.quoted) is defined twice", other: first.definition)
        }
        nodes[node.name] = (node, reference)
    }
}

extension ValueReader {
    /// The node that an object of kind `Node` is about, and where its name stands; nil, with a finding, without a name.
    fileprivate func kubernetesNode(
        _ object: NodeID, _ fields: FieldNodes<KubernetesObjectField>
    ) -> (node: ClusterNode, nameNode: NodeID)? {
        guard let metadataNode = fields[.metadata] else {
            fail(object, "a Node needs metadata")
            return nil
        }
        guard isObject(metadataNode) else { return nil }
        let metadata = self.fields(of: metadataNode, MetadataField.table)
        guard let nameNode = metadata[.name] else {
            fail(metadataNode, "a Node needs a name")
            return nil
        }
        guard let name = nodeName(nameNode) else { return nil }
        var node = ClusterNode(name: name)
        if let labels = metadata[.labels], isObject(labels),
            let label = tree.member(ClusterNode.zoneLabel, of: labels), !tree.text(of: label, is: "")
        {
            node.zone = zone(label)
        }
        if let spec = fields[.spec], hasDeletionTaint(spec) { node.deletion = .taint }
        if let time = metadata[.deletionTimestamp], let time = timestamp(time) { node.deletion = .timestamp(time) }
        return (node, nameNode)
    }

    private func hasDeletionTaint(_ spec: NodeID) -> Bool {
        guard let taints = fields(of: spec, NodeSpecField.table)[.taints], isList(taints) else { return false }
        var isFound = false
        for taint in tree.elements(of: taints) where isObject(taint) {
            guard let key = tree.member("key", of: taint) else {
                fail(taint, "a taint needs a key")
                continue
            }
            isFound = isString(key) && tree.text(of: key, is: ClusterNode.deletionTaint) || isFound
        }
        return isFound
    }

    /// The node of a document of its own.
    func storedNode(_ object: NodeID, named name: String) -> ClusterNode? {
        let fields = fields(of: object, KubernetesObjectField.table)
        guard let kind = fields[.kind] else {
            fail(object, "expected a Kubernetes object of the kind \"Node\"")
            return nil
        }
        guard isString(kind), tree.text(of: kind, is: "Node") else {
            fail(kind, "expected \"Node\", found \(description(of: kind))")
            return nil
        }
        if let version = fields[.apiVersion], !(isString(version) && tree.text(of: version, is: "v1")) {
            fail(version, "expected \"v1\", found \(description(of: version))")
        }
        guard let (node, nameNode) = kubernetesNode(object, fields) else { return nil }
        if node.name != name {
            fail(nameNode, "the name \(node.name.quoted) does not match the key, which is of \(name.quoted)")
        }
        return node
    }
}
