public import NetAddress
public import NFTables
internal import ServiceModel

/// Names one of our sets or maps. What it is made of follows from its name alone.
///
/// It is packed into four bytes that may begin anywhere, so that it fits into the padding behind an element's key.
public struct SetID: Hashable, Sendable {
    private let roleAndFamily: UInt8
    private let parameterHigh: UInt8
    private let parameterLow: UInt16

    public init(_ family: IPFamily, _ role: Role, _ parameter: Int = 0) {
        roleAndFamily = role.rawValue << 1 | (family == .ipv4 ? 0 : 1)
        let clamped = min(max(parameter, 0), Self.largestParameter)
        parameterHigh = UInt8(truncatingIfNeeded: clamped >> 16)
        parameterLow = UInt16(truncatingIfNeeded: clamped)
    }

    public var family: IPFamily { roleAndFamily & 1 == 0 ? .ipv4 : .ipv6 }
    public var role: Role { Role(rawValue: roleAndFamily >> 1) ?? .clusterServices }
    /// What sets of the role differ by: for maps of endpoints, how many slots a service in this map has; for what belongs
    /// to a group of pools, the group, above the slots if it has both. 0 for a set that there is only one of.
    public var parameter: Int { Int(parameterHigh) << 16 | Int(parameterLow) }

    static let largestParameter = 1 << 24 - 1

    /// The map of a group of pools whose endpoints take turns, with so many slots each.
    static func turnEndpoints(_ family: IPFamily, group: UInt8, slots: Int) -> SetID {
        SetID(family, .turnEndpoints, Int(group) << 16 | min(max(slots, 0), 0xffff))
    }

    /// What is remembered of the clients of a group of pools.
    static func affinity(_ family: IPFamily, group: UInt8) -> SetID { SetID(family, .affinity, Int(group)) }

    /// How many slots a service in this map of endpoints has.
    var slots: Int { role == .turnEndpoints ? parameter & 0xffff : parameter }

    /// The group of pools that the map belongs to, for turns and for what is remembered.
    var group: UInt8 { UInt8(truncatingIfNeeded: role == .turnEndpoints ? parameter >> 16 : parameter) }

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
        /// Addresses with lists of sources or with limits: counts the connections that these turned away.
        case blockedServices
        /// Node ports with such lists or limits.
        case blockedNodePorts
        /// Every cluster IP, whatever the port.
        case clusterIPs
        /// Endpoints that may be on this node, as clients of themselves.
        case hairpin
        /// Addresses that not everybody may use.
        case restrictedServices
        /// Who may use them: addresses as in the set above, with ranges of sources.
        case sourceRanges
        /// Addresses that some may not use.
        case denyingServices
        /// Who may not use them.
        case deniedSources
        /// The same four for node ports.
        case restrictedNodePorts
        case nodePortSourceRanges
        case denyingNodePorts
        case nodePortDeniedSources
        /// The numbers of services with limits, by their addresses.
        case limitedServices
        /// The same for node ports.
        case limitedNodePorts
        /// How many connections a service may have, by its number: each element counts them.
        case connectionLimits
        /// Services that take so many connections from one source, by number.
        case sourceConnectionLimits
        /// The connections that each source has to each service. Rules fill it.
        case connectionsBySource
        /// Services that take new connections of one source at such a rate, by number.
        case rateLimits
        /// How fast each source opens connections to each service. Rules fill it.
        case ratesBySource
        /// Where UDP flows may lead: an address, a port and an endpoint that answers. No rule looks into it; what leaves
        /// it tells which flows are stale (semantics 41).
        case udpServing
        /// The same for node ports.
        case udpNodePortServing
        /// The pools that addresses draw from, by number: where clients are remembered, or endpoints take turns.
        case serviceNumbers
        /// The same for node ports.
        case nodePortNumbers
        /// What this node's own clients draw from under external traffic policy Local.
        case clusterServiceNumbers
        /// The same for node ports.
        case nodePortClusterNumbers
        /// The pool under which the clients of an address are remembered.
        case affinityServices
        /// The same for node ports.
        case affinityNodePorts
        /// Pools of the whole cluster's endpoints, and that of this node's alone for the same port.
        case affinityLocalNumbers
        /// Endpoints that a remembered client may come back to, by the number of their pool.
        case affinityEndpoints
        /// Endpoints of this node that the pool of the whole cluster lacks, by the number of that.
        case affinityElsewhere
        /// Endpoints that have left their pools, for as long as a client may be remembered.
        case affinityDeparted
        /// Pools whose clients are remembered for so many seconds.
        case affinityNumbers
        /// What is remembered of the clients of a group of pools: a client, the number of a pool and a protocol lead to an
        /// endpoint. Rules fill it.
        case affinity
        /// Endpoints that take turns, by the number of their pool and slot: a map for each group of pools and number of
        /// slots.
        case turnEndpoints
        /// Endpoints by address, protocol, port and slot.
        case endpoints
        /// Endpoints by node port and slot.
        case nodePortEndpoints
        /// What this node's own clients get under external traffic policy Local: all of the cluster's endpoints.
        case clusterEndpoints
        /// The same for node ports.
        case nodePortClusterEndpoints
        /// Endpoints by address, protocol, port and a slot that follows from who asks.
        case hashedEndpoints
        /// Endpoints by node port and such a slot.
        case nodePortHashedEndpoints
        /// What this node's own clients get under external traffic policy Local.
        case clusterHashedEndpoints
        /// The same for node ports.
        case nodePortClusterHashedEndpoints
    }
}

extension SetID {
    /// All parts in one number, spread over 64 bits.
    var folded: UInt64 {
        (UInt64(roleAndFamily) << 24 | UInt64(parameter)) &* 0xff51_afd7_ed55_8ccd
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
        case .blockedServices: "blocked_services"
        case .blockedNodePorts: "blocked_node_ports"
        case .clusterIPs: "cluster_ips"
        case .hairpin: "hairpin"
        case .restrictedServices: "restricted_services"
        case .sourceRanges: "source_ranges"
        case .denyingServices: "denying_services"
        case .deniedSources: "denied_sources"
        case .restrictedNodePorts: "restricted_node_ports"
        case .nodePortSourceRanges: "node_port_source_ranges"
        case .denyingNodePorts: "denying_node_ports"
        case .nodePortDeniedSources: "node_port_denied_sources"
        case .limitedServices: "limited_services"
        case .limitedNodePorts: "limited_node_ports"
        case .connectionLimits: "connection_limits"
        case .sourceConnectionLimits: "source_connection_limits"
        case .connectionsBySource: "connections_by_source"
        case .rateLimits: "rate_limits"
        case .ratesBySource: "rates_by_source"
        case .udpServing: "udp_serving"
        case .udpNodePortServing: "udp_node_port_serving"
        case .serviceNumbers: "service_numbers"
        case .nodePortNumbers: "node_port_numbers"
        case .clusterServiceNumbers: "cluster_service_numbers"
        case .nodePortClusterNumbers: "node_port_cluster_numbers"
        case .affinityServices: "affinity_services"
        case .affinityNodePorts: "affinity_node_ports"
        case .affinityLocalNumbers: "affinity_local_numbers"
        case .affinityEndpoints: "affinity_endpoints"
        case .affinityElsewhere: "affinity_elsewhere"
        case .affinityDeparted: "affinity_departed"
        case .affinityNumbers: "affinity_numbers"
        case .affinity: "affinity"
        case .turnEndpoints: "turn_endpoints"
        case .endpoints: "endpoints"
        case .nodePortEndpoints: "node_port_endpoints"
        case .clusterEndpoints: "cluster_endpoints"
        case .nodePortClusterEndpoints: "node_port_cluster_endpoints"
        case .hashedEndpoints: "hashed_endpoints"
        case .nodePortHashedEndpoints: "node_port_hashed_endpoints"
        case .clusterHashedEndpoints: "cluster_hashed_endpoints"
        case .nodePortClusterHashedEndpoints: "node_port_cluster_hashed_endpoints"
        }
    }

    /// Whether it maps slots to endpoints; there is one such map for each number of slots in use.
    var hasSlots: Bool { rawValue >= Self.turnEndpoints.rawValue }

    /// What the name of a set of the role says behind the stem; nil if no set of the role is called so.
    fileprivate func parameter(_ rest: Substring) -> Int? {
        guard hasParameter else { return rest.isEmpty ? 0 : nil }
        guard rest.first == "_" else { return nil }
        let numbers = rest.dropFirst()
        switch self {
        case .rateLimits: return RateLimit(nameInSets: numbers).map(RateLimits.number)
        case .turnEndpoints:
            let parts = numbers.split(separator: "_").map { Int($0) }
            guard parts.count == 2, let group = parts[0], let slots = parts[1], (0..<256).contains(group),
                (1..<1 << 16).contains(slots)
            else { return nil }
            return group << 16 | slots
        case .affinity: return Int(numbers)
        default: return Int(numbers).flatMap { $0 > 0 ? $0 : nil }
        }
    }

    /// Whether there are several sets of the role, which come with what needs them and go with it.
    var hasParameter: Bool {
        hasSlots || self == .affinity || self == .affinityNumbers || self == .sourceConnectionLimits
            || self == .rateLimits
    }

    /// Whether what is in the set is nobody's wish, but a memory.
    var isMemory: Bool { isFilledByRules || self == .affinityDeparted }

    /// Whether rules fill the set.
    var isFilledByRules: Bool { self == .affinity || self == .connectionsBySource || self == .ratesBySource }

    /// Whether elements stand for ranges of sources.
    var holdsRanges: Bool {
        switch self {
        case .sourceRanges, .deniedSources, .nodePortSourceRanges, .nodePortDeniedSources: true
        default: false
        }
    }

    /// Whether the key is a node port instead of an address and a port.
    var isForNodePorts: Bool {
        switch self {
        case .nodePorts, .nodePortsLocal, .rejectedNodePorts, .droppedNodePorts, .blockedNodePorts,
            .restrictedNodePorts, .nodePortSourceRanges, .denyingNodePorts, .nodePortDeniedSources, .limitedNodePorts,
            .nodePortNumbers,
            .nodePortClusterNumbers, .affinityNodePorts, .nodePortEndpoints, .nodePortClusterEndpoints,
            .nodePortHashedEndpoints, .nodePortClusterHashedEndpoints:
            true
        default: false
        }
    }

    /// Whether each element stands for one frontend, with its name as a comment and a counter.
    var holdsFrontends: Bool { rawValue <= Self.blockedNodePorts.rawValue }

    /// The chain that draws from such maps.
    var pickingChain: ChainName? {
        switch self {
        case .endpoints, .hashedEndpoints: .pickEndpoint
        case .nodePortEndpoints, .nodePortHashedEndpoints: .pickNodePortEndpoint
        case .clusterEndpoints, .clusterHashedEndpoints: .pickClusterEndpoint
        case .nodePortClusterEndpoints, .nodePortClusterHashedEndpoints: .pickNodePortClusterEndpoint
        default: nil
        }
    }

    /// Whether a client's slot follows from its address.
    var isHashed: Bool { rawValue >= Self.hashedEndpoints.rawValue }
}

extension SetID {
    /// The set's name within its table, for example `endpoints_3`.
    public var name: String {
        switch role {
        case .rateLimits: "\(role.stem)_\(RateLimits.limit(parameter).nameInSets)"
        case .turnEndpoints: "\(role.stem)_\(group)_\(slots)"
        default: role.hasParameter ? "\(role.stem)_\(parameter)" : role.stem
        }
    }

    /// The set of ours that has a name; nil if none has.
    public init?(_ family: IPFamily, name: String) {
        for role in Role.allCases where name.hasPrefix(role.stem) {
            guard let parameter = role.parameter(name.dropFirst(role.stem.count)) else { continue }
            self.init(family, role, parameter)
            if self.name == name { return }
        }
        return nil
    }

    /// What a client addresses: an address, a protocol and a port, or a protocol and a port.
    static func frontendKey(_ family: IPFamily, _ role: Role) -> [Field] {
        let port: [Field] = [.transportProtocol, .destinationPort]
        return role.isForNodePorts ? port : [.destinationAddress(family)] + port
    }

    /// What the set's elements are made of.
    public var definition: SetDefinition {
        var set = SetDefinition(
            family: family, table: Layout.table, name: name, key: key, data: data, countsPackets: role.holdsFrontends,
            holdsRanges: role.holdsRanges)
        if role.isFilledByRules {
            set.isDynamic = true
            // Elements that count connections go when they have none.
            set.hasTimeouts = role != .connectionsBySource
            set.size = role == .affinity ? Self.mostClients : Self.mostEntries
        }
        if role == .affinityDeparted {
            set.hasTimeouts = true
            set.timeoutSeconds = Self.longestAffinity
        }
        if role == .connectionLimits {
            // Of a dynamic set the kernel deletes, every second, the elements that count no connection; Linux before 6.15
            // and its stable releases of April 2025 does so in any set. The set's own expression is what elements have that
            // somebody adds without a limit; each of ours has its own.
            set.expression = .connectionsOver(1)
        }
        return set
    }

    private var key: [Field] {
        switch role {
        // Numbers of pools stand where the packet has its destination.
        case .clusterIPs, .affinityLocalNumbers, .affinityNumbers, .connectionLimits, .sourceConnectionLimits,
            .rateLimits:
            [.destinationAddress(family)]
        case .connectionsBySource, .ratesBySource: [.sourceAddress(family), .destinationAddress(family)]
        case .udpServing:
            [.destinationAddress(family), .destinationPort, .destinationAddress(family), .destinationPort]
        case .udpNodePortServing: [.destinationPort, .destinationAddress(family), .destinationPort]
        case .affinityEndpoints, .affinityElsewhere, .affinityDeparted:
            [.destinationAddress(family), .destinationAddress(family), .destinationPort]
        case .affinity: [.sourceAddress(family), .destinationAddress(family), .transportProtocol]
        case .turnEndpoints: [.destinationAddress(family), .transportProtocol, slot]
        case .hairpin: [.sourceAddress(family), .destinationAddress(family), .transportProtocol, .destinationPort]
        default:
            Self.frontendKey(family, role) + (role.hasSlots ? [slot] : [])
                + (role.holdsRanges ? [.sourceAddress(family)] : [])
        }
    }

    private var data: [Field]? {
        switch role {
        case .serviceNumbers, .nodePortNumbers, .clusterServiceNumbers, .nodePortClusterNumbers, .affinityServices,
            .affinityNodePorts, .affinityLocalNumbers, .limitedServices, .limitedNodePorts:
            [.destinationAddress(family)]
        case .affinity: [.destinationAddress(family), .destinationPort]
        default: role.hasSlots ? [.destinationAddress(family), .destinationPort] : nil
        }
    }

    /// Every slot is declared as a random number, whatever it is looked up by: nft cannot print sets that are declared by
    /// hashes.
    private var slot: Field { .randomSlot(modulus: UInt32(truncatingIfNeeded: slots)) }

    /// The most that rules may add to a set: some 150 MB. Beyond it clients are no longer remembered or limited.
    static let mostEntries: UInt32 = 1 << 20
    /// The most clients that a group of pools remembers.
    static let mostClients: UInt32 = 1 << 18
}

extension SetID {
    /// The longest that a client can be remembered, in seconds: Kubernetes allows a day.
    static let longestAffinity: UInt32 = 86_400
}

extension SetID: Comparable {
    /// The order in which sets are made and printed.
    public static func < (left: SetID, right: SetID) -> Bool {
        if left.family != right.family { return left.family < right.family }
        if left.role != right.role { return left.role.rawValue < right.role.rawValue }
        guard left.role == .rateLimits else { return left.parameter < right.parameter }
        return RateLimits.limit(left.parameter) < RateLimits.limit(right.parameter)
    }
}
