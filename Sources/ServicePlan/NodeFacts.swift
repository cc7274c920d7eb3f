public import NetAddress

/// What the plan needs to know about the node it is made for.
public struct NodeFacts: Hashable, Sendable {
    /// The name that endpoints on this node carry in `nodeName`; nil if it is not known, and then none is local.
    public var nodeName: String?
    /// The zone that this node is in; nil if it is not known.
    public var zone: String?
    /// The addresses of pods (`--cluster-cidr`): what tells their traffic from the outside's. Empty if it is not known.
    public var clusterCIDRs: [CIDR]
    /// The node's own addresses (`--node-address`): whether source ranges allow its own processes (semantics 35). Nil if
    /// they are not known.
    public var addresses: Set<IPAddress>?
    /// The interfaces that pods' traffic comes in by (`--pod-bridge-interface`, `--pod-interface-name-prefix`): another way
    /// to tell it from the outside's. Empty if they are not known.
    public var podInterfaces: [PodInterface] = []
    /// The blocks that cluster IPs are taken from (`--service-cidr`): what is addressed there and allocated to no service
    /// is dropped. Empty if they are not known.
    public var serviceCIDRs: [CIDR] = []
    /// Whether all traffic to cluster IPs is masqueraded (`--masquerade-all`).
    public var masqueradeAll: Bool
    /// The blocks whose addresses serve node ports; nil means every address of the node that is not loopback.
    public var nodePortAddresses: [CIDR]?

    /// Whether pods' traffic of a family can be told from the outside's.
    func knowsPods(_ family: IPFamily) -> Bool {
        !podInterfaces.isEmpty || clusterCIDRs.contains { $0.family == family }
    }

    /// The node's own addresses that serve node ports (semantics 5 to 7), in order: neither loopback nor of one link only.
    var knownNodePortAddresses: [IPAddress] {
        (addresses ?? []).filter { address in
            guard !address.isLoopback, !address.isLinkLocal else { return false }
            return nodePortAddresses?.contains { $0.contains(address) } ?? true
        }.sorted()
    }

    public init(
        nodeName: String? = nil, zone: String? = nil, clusterCIDRs: [CIDR] = [], masqueradeAll: Bool = false,
        nodePortAddresses: [CIDR]? = nil
    ) {
        self.nodeName = nodeName
        self.zone = zone
        self.clusterCIDRs = clusterCIDRs
        self.masqueradeAll = masqueradeAll
        self.nodePortAddresses = nodePortAddresses
    }
}

/// An interface that pods' traffic comes in by.
public enum PodInterface: Hashable, Sendable {
    /// A bridge that the pods of this node hang on.
    case bridge(String)
    /// What the names of the interfaces of single pods begin with.
    case prefix(String)
}
