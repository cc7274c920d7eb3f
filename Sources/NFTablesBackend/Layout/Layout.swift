internal import Dataplane
internal import NetAddress
internal import NFTables
internal import ServicePlan

/// The rules that are the same whatever the services are. Services and endpoints are elements of the sets they look
/// into, so that a change of one never makes the kernel look at the others.
struct Layout {
    /// The name of our table in each family.
    static let table = "svcctl"
    /// The table's comment: by it we know that the table is ours.
    static let mark = "svcctl: services, written by svcctl"

    let options: LayoutOptions

    static func table(_ family: IPFamily) -> Table { Table(family: family, name: table, comment: mark) }

    /// The table as it is to be.
    func table(_ family: IPFamily) -> Table {
        var table = Self.table(family)
        if options.isProtected { table.flags = Protection.flags }
        return table
    }

    /// The rules of a chain; those that hold shared rules have none of their own.
    func rules(_ name: ChainName, _ family: IPFamily) -> [Rule] {
        let statements: [[Statement]] =
            switch name {
            case .filterPrerouting:
                // What comes through loopback has been asked on its way out, and may have been sent on since then.
                [[.connectionIsNew, .inputInterface("lo", isPrefix: false, .notEqual), jump(.sourceCheck)]]
            case .filterOutputBeforeNAT: [[.connectionIsNew, jump(.sourceCheck)]]
            case .sourceCheck: sourceCheck(family)
            case .limitPrerouting, .limitOutput: limited(family)
            case .limits: limits(family)
            case .overLimit:
                [[.setDestination(family, [.originalDestination(family)])], [goto(.blocked)]]
            case .blocked:
                [
                    [member(.blockedServices, family), .verdict(.drop)],
                    [member(.blockedNodePorts, family), .verdict(.drop)], [.verdict(.drop)],
                ]
            case .natPrerouting, .natOutput: [[jump(.services)]]
            case .restorePrerouting, .restoreOutput: restoreDestination(family)
            case .natPostrouting: postrouting(family)
            case .filterInput, .filterForward, .filterOutput: [[.connectionIsNew, jump(.noEndpoints)]]
            case .services: services(family)
            case .clusterService: clusterService(family)
            case .externalService: [[.setMark(bit), goto(.chooseEndpoint)]]
            case .externalLocalService: local(family, .chooseClusterEndpoint, .chooseEndpoint)
            case .nodePort:
                [
                    // An address of a service that nothing serves is still not a node port's (semantics 6).
                    [member(.rejectedServices, family), .verdict(.return)],
                    [member(.droppedServices, family), .verdict(.return)],
                    [member(.nodePorts, family), .setMark(bit), goto(.chooseNodePortEndpoint)],
                    [member(.nodePortsLocal, family), goto(.nodePortLocal)],
                ]
            case .nodePortLocal: local(family, .chooseNodePortClusterEndpoint, .chooseNodePortEndpoint)
            case .chooseEndpoint: choose(family, .serviceNumbers, .pickEndpoint)
            case .chooseNodePortEndpoint: choose(family, .nodePortNumbers, .pickNodePortEndpoint)
            case .chooseClusterEndpoint: choose(family, .clusterServiceNumbers, .pickClusterEndpoint)
            case .chooseNodePortClusterEndpoint:
                choose(family, .nodePortClusterNumbers, .pickNodePortClusterEndpoint)
            case .numbered: numbered(family)
            case .learnInput, .learnPostrouting:
                [[.connectionIsNew, .connectionBegins, jump(.learn)]]
            case .learn: learn(family)
            case .remember: remember(family)
            case .rememberLocal: rememberLocal(family)
            case .noEndpoints: noEndpoints(family)
            case .noNodePortEndpoints:
                [
                    [member(.rejectedNodePorts, family), .reject],
                    [member(.droppedNodePorts, family), .verdict(.drop)],
                ]
            case .pickEndpoint, .pickNodePortEndpoint, .pickClusterEndpoint, .pickNodePortClusterEndpoint,
                .remembered, .turns, .updateAffinity, .forget, .limitedSources:
                []
            }
        return statements.map { Rule(family, $0) }
    }

    private var bit: UInt32 { 1 << UInt32(options.masqueradeBit & 31) }

    func jump(_ chain: ChainName) -> Statement { .verdict(.jump(chain.rawValue)) }
    func goto(_ chain: ChainName) -> Statement { .verdict(.goto(chain.rawValue)) }

    func member(_ role: SetID.Role, _ family: IPFamily) -> Statement {
        let set = SetID(family, role)
        return .member(set.definition.key, of: set.name)
    }

    private func clusterCIDRs(_ family: IPFamily) -> [CIDR] {
        options.node.clusterCIDRs.filter { $0.family == family }.sorted()
    }

    /// Matches packets from pods, one match for each block of their addresses and each interface.
    private func fromPods(_ family: IPFamily) -> [[Statement]] {
        clusterCIDRs(family).map { $0.prefixLength == 0 ? [] : [.address(.source, .equal, $0)] }
            + options.node.podInterfaces.map { interface in
                switch interface {
                case .bridge(let name): [.inputInterface(name, isPrefix: false)]
                case .prefix(let start): [.inputInterface(start, isPrefix: true)]
                }
            }
    }

    /// Tells node ports from addresses of services that are the node's own and have the same port (semantics 6).
    func isNoService(_ key: [Field], _ family: IPFamily) -> [Statement] {
        [SetID.Role.clusterServices, .externalServices, .externalLocalServices, .rejectedServices, .droppedServices]
            .map { .member(key, of: SetID(family, $0).name, inverted: true) }
    }

    /// Service addresses first, then node ports (semantics 6).
    private func services(_ family: IPFamily) -> [[Statement]] {
        [
            [member(.clusterServices, family), goto(.clusterService)],
            [member(.externalServices, family), goto(.externalService)],
            [member(.externalLocalServices, family), goto(.externalLocalService)],
        ] + nodePortAddresses(family).map { $0 + [goto(.nodePort)] }
    }

    /// One match for each block of node-port addresses. Asking the routing table what is local follows the node's
    /// addresses by itself; blocks of one family open nothing in the other (semantics 5 to 7).
    func nodePortAddresses(_ family: IPFamily) -> [[Statement]] {
        let loopback: CIDR? = CIDR(family == .ipv4 ? "127.0.0.0/8" : "::1/128")
        let isOurs: [Statement] =
            [.isLocal(.destination)] + (loopback.map { [.address(.destination, .notEqual, $0)] } ?? [])
        guard let blocks = options.node.nodePortAddresses else { return [isOurs] }
        return blocks.filter { $0.family == family }.sorted().map { block in
            block.prefixLength == 0 ? isOurs : isOurs + [.address(.destination, .equal, block)]
        }
    }

    /// Semantics 18. One rule for each block: a rule holds at most 128 instructions, and a cluster may have more blocks
    /// than fit into one.
    private func clusterService(_ family: IPFamily) -> [[Statement]] {
        let fromPods = fromPods(family)
        let marking: [Statement] = [.setMark(bit), goto(.chooseEndpoint)]
        if options.node.masqueradeAll { return [marking] }
        if fromPods.isEmpty { return [[goto(.chooseEndpoint)]] }
        return fromPods.map { $0 + [goto(.chooseEndpoint)] } + [marking]
    }

    /// Traffic policy Local: this node's pods and processes use all of the cluster's endpoints, everybody else those on
    /// this node alone (semantics 20 and 21).
    private func local(_ family: IPFamily, _ cluster: ChainName, _ local: ChainName) -> [[Statement]] {
        fromPods(family).map { $0 + [goto(cluster)] }
            + [[.isLocal(.source), .setMark(bit), goto(cluster)], [goto(local)]]
    }

    /// What is left of connections to services here found no endpoint. An address of the node's own is never refused as
    /// a whole (semantics 26 to 31).
    private func noEndpoints(_ family: IPFamily) -> [[Statement]] {
        [
            [member(.rejectedServices, family), .reject],
            [member(.droppedServices, family), .verdict(.drop)],
            [member(.clusterIPs, family), .isLocal(.destination, false), .reject],
        ] + unallocated(family) + nodePortAddresses(family).map { $0 + [goto(.noNodePortEndpoints)] }
    }

    /// Semantics 31: what no service has of the blocks that services' addresses come from leads nowhere.
    private func unallocated(_ family: IPFamily) -> [[Statement]] {
        options.node.serviceCIDRs.filter { $0.family == family && $0.prefixLength > 0 }.sorted().map { block in
            [.address(.destination, .equal, block), .isLocal(.destination, false), .verdict(.drop)]
        }
    }

    /// Semantics 22 to 24. The marked come first, so that the bit is always cleared.
    private func postrouting(_ family: IPFamily) -> [[Statement]] {
        [
            [.markIsSet(bit), .flipMark(bit), .masquerade],
            [.connectionIsRedirected, member(.hairpin, family), .masquerade],
        ]
    }
}
