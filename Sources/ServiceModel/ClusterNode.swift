/// What a service proxy looks at in a Kubernetes `Node` object: only the one that it runs on matters to it.
public struct ClusterNode: Hashable, Sendable {
    /// Why the node is about to go (semantics 49). Load balancers should send it nothing new then.
    public enum Deletion: Hashable, Sendable {
        /// `metadata.deletionTimestamp` is set, in the form of RFC 3339 that Kubernetes uses: `2026-01-31T12:00:00Z`.
        case timestamp(String)
        /// The cluster autoscaler taints a node before it takes it away.
        case taint

        /// One sentence without a full stop.
        public var reason: String {
            switch self {
            case .timestamp: "it has a deletion timestamp"
            case .taint: "it has the taint \(ClusterNode.deletionTaint)"
            }
        }
    }

    /// The key of the taint that stands for a deletion.
    package static let deletionTaint: StaticString = "ToBeDeletedByClusterAutoscaler"
    /// The label that names a node's zone.
    package static let zoneLabel: StaticString = "topology.kubernetes.io/zone"

    /// A DNS subdomain.
    public var name: String
    /// The label `topology.kubernetes.io/zone`.
    public var zone: String?
    /// Nil if the node stays.
    public var deletion: Deletion?

    public init(name: String, zone: String? = nil, deletion: Deletion? = nil) {
        self.name = name
        self.zone = zone
        self.deletion = deletion
    }
}

extension ClusterNode {
    /// Decodes and checks one `Node` object in JSON, as a store of keys and values has it.
    ///
    /// - Parameter name: what the node must be called.
    package init(decoding input: DefinitionInput, named name: String) throws(InvalidDefinitions) {
        let findings = FindingCollector()
        let (tree, root) = DefinitionsDecoder.readObject(input.bytes, input: 0, findings)
        var node: ClusterNode?
        if let tree, let root {
            node = ValueReader(tree: tree, input: 0, findings: findings).storedNode(root, named: name)
        }
        guard let node, findings.errorCount == 0 else { throw findings.refusal(of: [input], trees: [tree]) }
        self = node
    }

    /// Whether bytes can be the name of a node.
    package static func isName(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.withUnsafeBufferPointer(NameSyntax.isSubdomain)
    }
}
