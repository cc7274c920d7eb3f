internal import NetAddress
public import ServiceModel

/// Compiles services to plans, one by one: definitions and node facts in, frontends out, and nothing else.
///
/// Each service's plan depends on that service alone; what two services dispute is settled by ``FrontendClaims``.
public struct ServicePlanner: Sendable {
    public let node: NodeFacts
    private let nodePortAddresses: [IPAddress]

    public init(node: NodeFacts) {
        self.node = node
        nodePortAddresses = node.knownNodePortAddresses
    }

    /// The plan of one service.
    public func plan(_ service: Service) -> PlannedService {
        var planned = PlannedService(name: service.name, frontends: [])
        planned.virtualServer = service.virtualServer
        planned.limitNumber = ConnectionLimits(service)?.number(of: service.name)
        for family in IPFamily.allCases {
            let addresses = FamilyAddresses(service, family)
            guard !addresses.isEmpty else { continue }
            let endpoints = EndpointSelection(service, family, node)
            let access = Access(sources: SourceRanges(service, family, node), limits: ConnectionLimits(service))
            for port in service.ports {
                let targets = endpoints.targets(for: port)
                let pools = PortPools(port, of: service, family, targets, first: planned.pools.count)
                if let pools { planned.pools += pools.all }
                let serving = port.transport == .udp ? endpoints.serving(port) : []
                plan(port, of: service, addresses, access, targets, serving, pools, into: &planned.frontends)
            }
        }
        if service.ports.contains(where: { $0.nodePort != nil }) { planned.nodePortAddresses = nodePortAddresses }
        for index in planned.frontends.indices where planned.frontends[index].nodeTreatment != nil {
            let name = planned.nodeClientName(planned.frontends[index])
            planned.frontends[index].nodeClientNumber = PoolNumbers.preferred(name) % PoolNumbers.nodeClientCount
        }
        return planned
    }

    private func plan(
        _ port: ServicePort, of service: Service, _ addresses: FamilyAddresses, _ access: Access,
        _ targets: PortTargets, _ serving: [ServingEndpoint], _ pools: PortPools?, into frontends: inout [Frontend]
    ) {
        // A single address cannot be there twice, and that is what most services have.
        let mayRepeat = !addresses.externalIPs.isEmpty || !addresses.loadBalancerIPs.isEmpty
        var taken: Set<IPAddress> = []
        func add(
            _ address: FrontendAddress, _ number: UInt16, _ treatment: Treatment, _ nodeTreatment: Treatment?
        ) {
            if mayRepeat, let ip = address.ip, !taken.insert(ip).inserted { return }
            var frontend = Frontend(
                address: address, transport: port.transport, port: number, portName: port.name,
                treatment: treatment, nodeTreatment: nodeTreatment,
                allowedSources: access.sources.allowed(to: address), servingEndpoints: serving,
                deniedSources: access.sources.denied, limits: access.limits)
            frontend.admitsNode = access.sources.admitsNode(at: address)
            frontend.policy = policy(of: address, service)
            frontend.scheduler = service.scheduler
            frontend.pools = pools?.references(policy(of: address, service), hasNodeTreatment: nodeTreatment != nil)
            frontends.append(frontend)
        }

        if let clusterIP = addresses.clusterIP {
            let treatment = targets.treatment(service.internalTrafficPolicy, clusterMasquerade(addresses.family))
            add(.clusterIP(clusterIP), port.port, treatment, nil)
        }
        let (outside, inside) = external(service.externalTrafficPolicy, targets)
        // An address that stands in both lists is the load balancer's, so that its source ranges cannot be bypassed.
        for address in addresses.loadBalancerIPs { add(.loadBalancerIP(address), port.port, outside, inside) }
        for address in addresses.externalIPs { add(.externalIP(address), port.port, outside, inside) }
        if addresses.hasNodePorts, let nodePort = port.nodePort {
            add(.nodePort(addresses.family), nodePort, outside, inside)
        }
    }

    private func policy(of address: FrontendAddress, _ service: Service) -> TrafficPolicy {
        if case .clusterIP = address { service.internalTrafficPolicy } else { service.externalTrafficPolicy }
    }

    /// Semantics 18: only what comes from outside of the cluster, and only if the cluster is known.
    private func clusterMasquerade(_ family: IPFamily) -> Masquerade {
        if node.masqueradeAll { return .always }
        return node.knowsPods(family) ? .outsideCluster : .never
    }

    /// Semantics 19 and 20: policy Cluster masquerades everybody; policy Local nobody from outside, and lets the node's
    /// own clients use all endpoints.
    private func external(_ policy: TrafficPolicy, _ targets: PortTargets) -> (outside: Treatment, inside: Treatment?) {
        switch policy {
        case .cluster: (targets.treatment(.cluster, .always), nil)
        case .local:
            (targets.treatment(.local, .never), targets.cluster.isEmpty ? nil : .balance(targets.cluster, .never))
        }
    }
}

/// Who may use a service in one family, and how much: the same for all of its ports.
private struct Access {
    let sources: SourceRanges
    let limits: ConnectionLimits?
}

/// The addresses of a service in one family (semantics 2: each family is a world of its own).
private struct FamilyAddresses {
    let family: IPFamily
    let clusterIP: IPAddress?
    let externalIPs: [IPAddress]
    let loadBalancerIPs: [IPAddress]
    /// Node ports exist in the families of the cluster IPs; in both where there is no cluster IP.
    let hasNodePorts: Bool

    init(_ service: Service, _ family: IPFamily) {
        self.family = family
        clusterIP = service.clusterIPs.first { $0.family == family }
        externalIPs = service.externalIPs.filter { $0.family == family }
        loadBalancerIPs = service.loadBalancerIPs.filter { $0.family == family }
        hasNodePorts =
            (clusterIP != nil || service.clusterIPs.isEmpty) && service.ports.contains { $0.nodePort != nil }
    }

    var isEmpty: Bool { clusterIP == nil && externalIPs.isEmpty && loadBalancerIPs.isEmpty && !hasNodePorts }
}
