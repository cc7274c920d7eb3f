// The fields of Kubernetes objects that a service proxy looks at. All others are ignored, as API clients must.

enum KubernetesObjectField: String, CaseIterable {
    case apiVersion, kind, metadata, items, spec, status, addressType, endpoints, ports
    static let table = FieldTable<KubernetesObjectField>()
}

enum MetadataField: String, CaseIterable {
    case name, namespace, labels, creationTimestamp, deletionTimestamp
    static let table = FieldTable<MetadataField>()
}

enum ServiceSpecField: String, CaseIterable {
    case type, clusterIP, clusterIPs, externalIPs, ports, loadBalancerSourceRanges, sessionAffinity
    case sessionAffinityConfig, internalTrafficPolicy, externalTrafficPolicy, healthCheckNodePort
    case publishNotReadyAddresses, trafficDistribution
    static let table = FieldTable<ServiceSpecField>()
}

enum NodeSpecField: String, CaseIterable {
    case taints
    static let table = FieldTable<NodeSpecField>()
}

enum SliceEndpointField: String, CaseIterable {
    case addresses, conditions, nodeName, zone, hints
    static let table = FieldTable<SliceEndpointField>()
}

enum SlicePortField: String, CaseIterable {
    case name, `protocol`, port
    static let table = FieldTable<SlicePortField>()
}

/// The values of an object's members by field, null members left out.
struct FieldNodes<Field: Hashable> {
    private var nodes: [Field: NodeID] = [:]

    subscript(field: Field) -> NodeID? {
        get { nodes[field] }
        set { nodes[field] = newValue }
    }
}

extension ValueReader {
    /// The members of an object that a proxy looks at; none, and a finding, if the value is not an object.
    func fields<Field>(of node: NodeID, _ table: FieldTable<Field>) -> FieldNodes<Field> {
        var fields = FieldNodes<Field>()
        guard isObject(node) else { return fields }
        for (key, value) in tree.members(of: node) where !isNull(value) {
            if let field = table.field(for: key, in: tree) { fields[field] = value }
        }
        return fields
    }
}
