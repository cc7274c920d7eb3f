internal import NetAddress
internal import NFTables

/// The chains of each of our tables, in the order in which they are made and printed.
enum ChainName: String, CaseIterable {
    // Called by the packet path.
    case filterPrerouting = "filter_prerouting"
    case filterOutputBeforeNAT = "filter_output_before_nat"
    case limitPrerouting = "limit_prerouting"
    case limitOutput = "limit_output"
    case natPrerouting = "nat_prerouting"
    case natOutput = "nat_output"
    case restorePrerouting = "restore_prerouting"
    case restoreOutput = "restore_output"
    case natPostrouting = "nat_postrouting"
    case filterInput = "filter_input"
    case filterForward = "filter_forward"
    case filterOutput = "filter_output"
    case learnInput = "learn_input"
    case learnPostrouting = "learn_postrouting"
    // What is addressed, and who is masqueraded.
    case sourceCheck = "source_check"
    case limits
    case limitedSources = "limited_sources"
    case overLimit = "over_limit"
    case blocked
    case services
    case clusterService = "cluster_service"
    case externalService = "external_service"
    case externalLocalService = "external_local_service"
    case nodePort = "node_port"
    case nodePortLocal = "node_port_local"
    // Which endpoint it is sent to, where more than the address counts.
    case chooseEndpoint = "choose_endpoint"
    case chooseNodePortEndpoint = "choose_node_port_endpoint"
    case chooseClusterEndpoint = "choose_cluster_endpoint"
    case chooseNodePortClusterEndpoint = "choose_node_port_cluster_endpoint"
    case numbered
    case remembered
    case turns
    // Which endpoint it is sent to.
    case pickEndpoint = "pick_endpoint"
    case pickNodePortEndpoint = "pick_node_port_endpoint"
    case pickClusterEndpoint = "pick_cluster_endpoint"
    case pickNodePortClusterEndpoint = "pick_node_port_cluster_endpoint"
    // Whom it was sent to, for the next time.
    case learn
    case remember
    case rememberLocal = "remember_local"
    case updateAffinity = "update_affinity"
    case forget
    // What nothing serves.
    case noEndpoints = "no_endpoints"
    case noNodePortEndpoints = "no_node_port_endpoints"

    /// Who may use an address is decided before destination NAT takes it away (semantics 34).
    /// Destination NAT must come before routing and source NAT after it; the filter hooks see addresses as they are
    /// after destination NAT, so that a connection that found an endpoint no longer matches its service there
    /// (semantics 23, 27 and 30). Clients are learnt where destination NAT has been done and source NAT has not.
    private var hook: Chain.Hook? {
        switch self {
        case .filterPrerouting: .init(kind: .filter, point: .prerouting, priority: -110)
        case .filterOutputBeforeNAT: .init(kind: .filter, point: .output, priority: -110)
        // Chains for NAT see just the first packet of a connection, whatever becomes of it.
        case .limitPrerouting: .init(kind: .nat, point: .prerouting, priority: -101)
        case .limitOutput: .init(kind: .nat, point: .output, priority: -101)
        case .natPrerouting: .init(kind: .nat, point: .prerouting, priority: -100)
        case .natOutput: .init(kind: .nat, point: .output, priority: -100)
        // Where destination NAT has been done.
        case .restorePrerouting: .init(kind: .filter, point: .prerouting, priority: -99)
        case .restoreOutput: .init(kind: .filter, point: .output, priority: -99)
        case .natPostrouting: .init(kind: .nat, point: .postrouting, priority: 100)
        case .filterInput: .init(kind: .filter, point: .input, priority: 0)
        case .filterForward: .init(kind: .filter, point: .forward, priority: 0)
        case .filterOutput: .init(kind: .filter, point: .output, priority: 0)
        case .learnInput: .init(kind: .filter, point: .input, priority: 99)
        case .learnPostrouting: .init(kind: .filter, point: .postrouting, priority: 99)
        default: nil
        }
    }

    /// The chain of that name in a family's table.
    func chain(_ family: IPFamily) -> Chain {
        Chain(family: family, table: Layout.table, name: rawValue, hook: hook)
    }

    /// Whether it holds rules that come and go with services, and nothing else.
    var holdsSharedRules: Bool {
        switch self {
        case .pickEndpoint, .pickNodePortEndpoint, .pickClusterEndpoint, .pickNodePortClusterEndpoint,
            .remembered, .turns, .updateAffinity, .forget, .limitedSources:
            true
        default: false
        }
    }

    /// What it is there for, if it is not there always: packets do not pay for what nobody asked for.
    var purpose: Purpose? {
        switch self {
        case .learnInput, .learnPostrouting, .learn, .remember, .rememberLocal, .updateAffinity, .forget: .affinity
        case .limitPrerouting, .limitOutput, .limits, .limitedSources, .overLimit: .limits
        case .restorePrerouting, .restoreOutput: .numbers
        default: nil
        }
    }

    /// Something that services may ask for and that takes chains of its own.
    enum Purpose: CaseIterable {
        /// Clients are remembered.
        case affinity
        /// Services have limits.
        case limits
        /// Addresses draw from pools by their numbers.
        case numbers
    }
}
