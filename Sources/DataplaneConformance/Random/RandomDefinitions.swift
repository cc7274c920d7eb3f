internal import NetAddress
package import ServiceModel
package import ServicePlan

// Random services and facts about the node: everything that a valid definition can say.

extension SplitMix64 {
    package mutating func nodeFacts() -> NodeFacts {
        var node = NodeFacts(nodeName: chance(percent: 85) ? "node-a" : nil, zone: chance(percent: 60) ? "zone-1" : nil)
        if chance(percent: 60) { node.clusterCIDRs = some(of: RandomWorld.clusterBlocks, atMost: 4) }
        if chance(percent: 5) { node.clusterCIDRs.append(pick(RandomWorld.everything)) }
        if chance(percent: 35) { node.podInterfaces = some(of: RandomWorld.interfaces, atMost: 2) }
        if chance(percent: 40) { node.serviceCIDRs = some(of: RandomWorld.serviceBlocks, atMost: 4) }
        if chance(percent: 5) { node.serviceCIDRs.append(pick(RandomWorld.everything)) }
        node.masqueradeAll = chance(percent: 12)
        if chance(percent: 50) { node.addresses = Set(RandomWorld.nodeAddresses) }
        if chance(percent: 45) { node.nodePortAddresses = some(of: RandomWorld.nodePortBlocks, atMost: 4) }
        if chance(percent: 8) { node.nodePortAddresses = [pick(RandomWorld.everything)] }
        return node
    }

    package mutating func services(_ count: Int) -> [Service] { (0..<count).map { service($0) } }

    /// The next state after another: services stay, change, go and come.
    package mutating func successors(of services: [Service], count: Int) -> [Service] {
        var next: [Service] = []
        var numbers: Set<String> = []
        for service in services where next.count < count {
            switch below(10) {
            case 0..<3: next.append(service)
            case 3..<6: next.append(changed(service))
            case 6: next.append(self.service(Int(service.name.name.dropFirst()) ?? 0))
            default: continue
            }
            numbers.insert(service.name.name)
        }
        for number in 0..<count * 4 where next.count < count && !numbers.contains("s\(number)") {
            next.append(service(number))
        }
        return next
    }

    /// A service of which one thing is another's.
    private mutating func changed(_ service: Service) -> Service {
        let other = self.service(Int(service.name.name.dropFirst()) ?? 0)
        var service = service
        switch below(8) {
        case 0: service.scheduler = other.scheduler
        case 1: service.clientIPAffinitySeconds = other.clientIPAffinitySeconds
        case 2:
            service.externalTrafficPolicy = other.externalTrafficPolicy
            service.internalTrafficPolicy = other.internalTrafficPolicy
        case 3:
            service.maxConnections = other.maxConnections
            service.maxConnectionsPerSource = other.maxConnectionsPerSource
            service.newConnectionsPerSecond = other.newConnectionsPerSecond
        case 4:
            service.allowedSources = other.allowedSources
            service.deniedSources = other.deniedSources
            service.loadBalancerSourceRanges = other.loadBalancerSourceRanges
        default:
            if service.endpoints.isEmpty { return other }
            let index = below(service.endpoints.count)
            switch below(4) {
            case 0: service.endpoints.remove(at: index)
            case 1: service.endpoints[index].weight = UInt16(below(4))
            case 2: service.endpoints[index].conditions = conditions()
            default: service.endpoints[index].address = endpointAddress(service.endpoints[index].address.family)
            }
        }
        return service
    }

    package mutating func service(_ number: Int) -> Service {
        var service = Service(
            name: ServiceName(namespace: RandomWorld.namespaces[number % 2], name: "s\(number)"))
        let families = pick([IPFamily.allCases, IPFamily.allCases, [.ipv4], [.ipv6]])
        for family in families { addAddresses(family, to: &service) }
        addPorts(to: &service)
        addBehaviour(to: &service)
        addAccess(to: &service)
        service.endpoints = families.flatMap { endpoints($0, of: service) }
        return service
    }

    private mutating func addAddresses(_ family: IPFamily, to service: inout Service) {
        let others = RandomWorld.externalIPs(family) + RandomWorld.clusterIPs(family).prefix(4)
        if chance(percent: 80) { service.clusterIPs.append(pick(RandomWorld.clusterIPs(family))) }
        if chance(percent: 40) { service.externalIPs += some(of: others, atMost: 2) }
        if chance(percent: 40) { service.loadBalancerIPs += some(of: others, atMost: 2) }
    }

    private mutating func addPorts(to service: inout Service) {
        var ports: Set<[UInt16]> = []
        var nodePorts: Set<[UInt16]> = []
        for name in ["web", "dns", "api"].prefix(1 + below(3)) {
            let transport = pick(TransportProtocol.allCases + [.tcp, .udp])
            let number = UInt16(transport.rawValue)
            var port = ServicePort(name: name, transport: transport, port: pick(RandomWorld.servicePorts))
            guard ports.insert([number, port.port]).inserted else { continue }
            port.target = chance(percent: 20) ? .name("t-\(name)") : .number(pick(RandomWorld.targetPorts))
            let nodePort = pick(RandomWorld.nodePorts)
            if chance(percent: 55), nodePorts.insert([number, nodePort]).inserted { port.nodePort = nodePort }
            service.ports.append(port)
        }
        if service.ports.count == 1, chance(percent: 30) { service.ports[0].name = "" }
    }

    private mutating func addBehaviour(to service: inout Service) {
        if chance(percent: 30) { service.clientIPAffinitySeconds = pick([10, 60, 10800]) }
        if chance(percent: 30) { service.internalTrafficPolicy = .local }
        if chance(percent: 40) { service.externalTrafficPolicy = .local }
        service.publishNotReadyAddresses = chance(percent: 10)
        if chance(percent: 25) {
            service.trafficDistribution = pick(["PreferClose", "PreferSameZone", "PreferSameNode"])
        }
        service.scheduler = pick([.random, .random, .random, .roundRobin, .roundRobin, .sourceHash, .sourceHash])
        if chance(percent: 7) { service.scheduler = .maglev }
        service.isFromKubernetes = chance(percent: 50)
        if service.isFromKubernetes, chance(percent: 80) {
            service.creationTimestamp = "2024-01-0\(1 + below(9))T00:00:00Z"
        }
    }

    private mutating func addAccess(to service: inout Service) {
        if chance(percent: 18) { service.allowedSources = sources() }
        if chance(percent: 15) { service.deniedSources = sources() }
        if chance(percent: 25) { service.loadBalancerSourceRanges = sources() }
        if chance(percent: 12) { service.maxConnections = UInt32(1 + below(1000)) }
        if chance(percent: 10) { service.maxConnectionsPerSource = UInt32(1 + below(4)) }
        if chance(percent: 10) {
            service.newConnectionsPerSecond = RateLimit(perSecond: UInt32(1 + below(3)), burst: UInt32(5 + below(3)))
        }
    }

    private mutating func sources() -> [CIDR] {
        some(of: RandomWorld.sourceBlocks, atMost: 4) + (chance(percent: 8) ? [pick(RandomWorld.everything)] : [])
    }
}

// MARK: - Endpoints

extension SplitMix64 {
    private mutating func endpoints(_ family: IPFamily, of service: Service) -> [Endpoint] {
        let hasHints = chance(percent: 25)
        var endpoints = (0..<pick([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 9])).map { _ in
            endpoint(family, of: service, hasHints: hasHints)
        }
        // Half an hour ago it was in another slice.
        if let first = endpoints.first, chance(percent: 12) {
            var copy = first
            copy.weight = UInt16(below(3))
            copy.nodeName = pick(RandomWorld.nodeNames)
            endpoints.append(copy)
        }
        return endpoints
    }

    private mutating func endpointAddress(_ family: IPFamily) -> IPAddress {
        switch below(100) {
        case 0..<6: pick(RandomWorld.node(family))
        case 6..<9: pick(RandomWorld.outside(family))
        case 9..<11: pick(RandomWorld.externalIPs(family))
        case 11..<12: pick(RandomWorld.clusterIPs(family))
        default: pick(RandomWorld.pods(family))
        }
    }

    private mutating func endpoint(_ family: IPFamily, of service: Service, hasHints: Bool) -> Endpoint {
        var endpoint = Endpoint(address: endpointAddress(family))
        endpoint.inheritsTargetPorts = !service.isFromKubernetes
        for port in service.ports {
            let isNamed = if case .name = port.target { true } else { false }
            if isNamed || service.isFromKubernetes ? chance(percent: 95) : chance(percent: 10) {
                let usual = if case .number(let number) = port.target { number } else { RandomWorld.targetPorts[0] }
                endpoint.ports.append(
                    EndpointPort(
                        name: port.name, transport: port.transport,
                        port: chance(percent: 80) ? usual : pick(RandomWorld.targetPorts)))
            }
        }
        endpoint.conditions = conditions()
        endpoint.nodeName = pick(RandomWorld.nodeNames)
        endpoint.zone = chance(percent: 60) ? pick(RandomWorld.zones) : nil
        endpoint.weight = weight()
        if hasHints, chance(percent: 90) { endpoint.zoneHints = some(of: RandomWorld.zones, atMost: 3) }
        if hasHints, chance(percent: 50) { endpoint.nodeHints = [pick(["node-a", "node-b"])] }
        return endpoint
    }

    private mutating func weight() -> UInt16 {
        switch below(600) {
        case 0: 65535
        case 1: 700
        case 2..<150: UInt16(below(5))
        default: 1
        }
    }

    private mutating func conditions() -> EndpointConditions {
        switch below(20) {
        case 0: []
        case 1: .isServing
        case 2..<5: [.isServing, .isTerminating]
        case 5: [.isReady, .isServing, .isTerminating]
        case 6: .isTerminating
        default: .ready
        }
    }
}
