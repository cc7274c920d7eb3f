public import NetAddress
public import NFTables

/// Names one of our sets or maps. What it is made of follows from its name alone.
public struct SetID: Hashable, Sendable {
    public let family: IPFamily
    public let role: Role
    /// How many slots a service in this map has; 0 for everything that is not a map of endpoints.
    public let slots: UInt16

    /// What a set is for. The order is that in which sets are made and printed.
    public enum Role: UInt8, Hashable, Sendable, CaseIterable {
        /// Cluster IPs with endpoints, by address, protocol and port; counts connections.
        case clusterServices
        /// External and load-balancer IPs under external traffic policy Cluster.
        case externalServices
        /// External and load-balancer IPs under external traffic policy Local.
        case externalLocalServices
        /// Node ports under external traffic policy Cluster, by protocol and port.
        case nodePorts
        /// Node ports under external traffic policy Local.
        case nodePortsLocal
        /// Addresses without any endpoint: connections are refused.
        case rejectedServices
        /// Node ports without any endpoint.
        case rejectedNodePorts
        /// Addresses whose policy allows none of the endpoints there are: connections are dropped.
        case droppedServices
        /// Node ports whose policy allows none of the endpoints there are.
        case droppedNodePorts
        /// Every cluster IP, whatever the port.
        case clusterIPs
        /// Endpoints that may be on this node, as clients of themselves.
        case hairpin
        /// Load-balancer IPs that not everybody may use.
        case restrictedServices
        /// Who may use them: addresses as in the set above, with ranges of sources.
        case sourceRanges
        /// Endpoints by address, protocol, port and slot.
        case endpoints
        /// Endpoints by node port and slot.
        case nodePortEndpoints
        /// What this node's own clients get under external traffic policy Local: all of the cluster's endpoints.
        case clusterEndpoints
        /// The same for node ports.
        case nodePortClusterEndpoints
    }

    public init(_ family: IPFamily, _ role: Role, slots: Int = 0) {
        self.family = family
        self.role = role
        self.slots = UInt16(clamping: slots)
    }
}

extension SetID {
    /// All parts in one number, spread over 64 bits.
    var folded: UInt64 {
        (UInt64(family.rawValue) << 24 | UInt64(role.rawValue) << 16 | UInt64(slots)) &* 0xff51_afd7_ed55_8ccd
    }
}

extension SetID.Role {
    /// The set's name, or the part of it before the number of slots.
    var stem: String {
        switch self {
        case .clusterServices: "cluster_services"
        case .externalServices: "external_services"
        case .externalLocalServices: "external_local_services"
        case .nodePorts: "node_ports"
        case .nodePortsLocal: "node_ports_local"
        case .rejectedServices: "rejected_services"
        case .rejectedNodePorts: "rejected_node_ports"
        case .droppedServices: "dropped_services"
        case .droppedNodePorts: "dropped_node_ports"
        case .clusterIPs: "cluster_ips"
        case .hairpin: "hairpin"
        case .restrictedServices: "restricted_services"
        case .sourceRanges: "source_ranges"
        case .endpoints: "endpoints"
        case .nodePortEndpoints: "node_port_endpoints"
        case .clusterEndpoints: "cluster_endpoints"
        case .nodePortClusterEndpoints: "node_port_cluster_endpoints"
        }
    }

    /// Whether there is one such map for each number of slots in use.
    var hasSlots: Bool { rawValue >= Self.endpoints.rawValue }

    /// Whether the key is a node port instead of an address and a port.
    var isForNodePorts: Bool {
        switch self {
        case .nodePorts, .nodePortsLocal, .rejectedNodePorts, .droppedNodePorts, .nodePortEndpoints,
            .nodePortClusterEndpoints:
            true
        default: false
        }
    }

    /// Whether each element stands for one frontend, with its name as a comment and a counter.
    var holdsFrontends: Bool { rawValue <= Self.droppedNodePorts.rawValue }

    /// The chain that draws from such maps.
    var pickingChain: ChainName? {
        switch self {
        case .endpoints: .pickEndpoint
        case .nodePortEndpoints: .pickNodePortEndpoint
        case .clusterEndpoints: .pickClusterEndpoint
        case .nodePortClusterEndpoints: .pickNodePortClusterEndpoint
        default: nil
        }
    }
}

extension SetID {
    /// The set's name within its table, for example `endpoints_3`.
    public var name: String { role.hasSlots ? "\(role.stem)_\(slots)" : role.stem }

    /// The set of ours that has a name; nil if none has.
    public init?(_ family: IPFamily, name: String) {
        if let role = Role.allCases.first(where: { !$0.hasSlots && $0.stem == name }) {
            self.init(family, role)
            return
        }
        guard let cut = name.lastIndex(of: "_"), let slots = UInt16(name[name.index(after: cut)...]), slots > 0,
            let role = Role.allCases.first(where: { $0.hasSlots && $0.stem == name[..<cut] })
        else { return nil }
        self.init(family, role, slots: Int(slots))
        guard self.name == name else { return nil }
    }

    /// What a client addresses: an address, a protocol and a port, or a protocol and a port.
    static func frontendKey(_ family: IPFamily, _ role: Role) -> [Field] {
        let port: [Field] = [.transportProtocol, .destinationPort]
        return role.isForNodePorts ? port : [.destinationAddress(family)] + port
    }

    /// What the set's elements are made of.
    public var definition: SetDefinition {
        let key: [Field] =
            switch role {
            case .clusterIPs: [.destinationAddress(family)]
            case .hairpin:
                [.sourceAddress(family), .destinationAddress(family), .transportProtocol, .destinationPort]
            case .sourceRanges: Self.frontendKey(family, role) + [.sourceAddress(family)]
            default: Self.frontendKey(family, role) + (role.hasSlots ? [.randomSlot(modulus: UInt32(slots))] : [])
            }
        return SetDefinition(
            family: family, table: Layout.table, name: name, key: key,
            data: role.hasSlots ? [.destinationAddress(family), .destinationPort] : nil,
            countsPackets: role.holdsFrontends, holdsRanges: role == .sourceRanges)
    }

    /// The rule that draws an endpoint from the map; nil for a set that holds none.
    var pickingRule: Rule? {
        guard role.hasSlots else { return nil }
        return Rule(family, [.redirect(family, definition.key, map: name)])
    }
}

extension SetID: Comparable {
    /// The order in which sets are made and printed.
    public static func < (left: SetID, right: SetID) -> Bool {
        if left.family != right.family { return left.family < right.family }
        return left.role != right.role ? left.role.rawValue < right.role.rawValue : left.slots < right.slots
    }
}
