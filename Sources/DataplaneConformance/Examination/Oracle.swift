internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// What the numbered behaviours say about one connection, read as plainly as can be: no tables, no plans, every
/// question asked anew. It shares no code with the planner, so that both are not wrong in the same way.
struct Oracle: Sendable {
    let node: NodeFacts
    /// The node's own addresses.
    let nodeAddresses: Set<IPAddress>
    /// Whether the node's own clients are seen as any of its addresses.
    let showsAnyNodeAddress: Bool

    func expectation(of destination: Destination, from source: Source) -> Expectation {
        let family = destination.address.family
        let sourceAddress = source.address(towards: destination.address, ownAddresses: nodeAddresses)
        let service = destination.service
        if destination.kind == .nodePort, !servesNodePorts(of: service, at: destination.address) { return .refused }
        // Who has the service's address as its own is known by all addresses of the node.
        if source.isNode, showsAnyNodeAddress, destination.kind != .nodePort {
            if !admitsNode(to: destination) { return .dropped }
        } else if isShutOut(sourceAddress, by: service) {
            return .dropped
        } else if destination.kind == .loadBalancerIP, !isAllowed(sourceAddress, by: service, at: destination.address) {
            return .dropped
        }
        let endpoints = EndpointSets(service, destination.servicePort, family, node)
        let isPod = isPod(source, sourceAddress)
        let knowsPods = !node.podInterfaces.isEmpty || node.clusterCIDRs.contains { $0.family == family }
        func come(to chosen: [ChosenEndpoint], masqueraded: Bool) -> Expectation {
            if chosen.isEmpty { return endpoints.cluster.isEmpty ? .refused : .dropped }  // 14, 26
            return answered(chosen, sourceAddress, masqueraded, isNode: source.isNode)
        }
        if destination.kind == .clusterIP {
            let chosen = service.internalTrafficPolicy == .local ? endpoints.local : endpoints.cluster
            return come(to: chosen, masqueraded: node.masqueradeAll || knowsPods && !isPod)  // 18
        }
        if service.externalTrafficPolicy == .cluster { return come(to: endpoints.cluster, masqueraded: true) }  // 19
        // 20, 21 and 27: policy Local, and who is not from outside.
        if isPod, !endpoints.cluster.isEmpty { return come(to: endpoints.cluster, masqueraded: false) }
        if source.isNode, !endpoints.cluster.isEmpty { return come(to: endpoints.cluster, masqueraded: true) }
        return come(to: endpoints.local, masqueraded: false)
    }

    /// 22: whoever meets itself is masqueraded in any case.
    private func answered(
        _ chosen: [ChosenEndpoint], _ source: IPAddress, _ masqueraded: Bool, isNode: Bool
    ) -> Expectation {
        var servers: [String: Set<IPAddress>] = [:]
        for endpoint in chosen {
            let isItself = endpoint.address == source
            servers[endpoint.server] =
                isNode && showsAnyNodeAddress
                ? nodeAddresses.filter { $0.family == source.family }
                : [masqueraded || isItself ? endpoint.place.addressOfMasquerade[source.family] : source]
        }
        return .answered(servers)
    }

    /// 2, 5 and 6: in the families of the service's cluster IPs, at the chosen addresses, never at loopback.
    private func servesNodePorts(of service: Service, at address: IPAddress) -> Bool {
        guard service.clusterIPs.isEmpty || service.clusterIPs.contains(where: { $0.family == address.family }) else {
            return false
        }
        if address.isLoopback { return false }
        guard let blocks = node.nodePortAddresses else { return nodeAddresses.contains(address) }
        return blocks.contains { $0.contains(address) }
    }

    /// Pods are known by their addresses, or by the interfaces that their packets come in by. The latter tells those of
    /// this node alone: another node's pods come from outside.
    private func isPod(_ source: Source, _ address: IPAddress) -> Bool {
        if node.clusterCIDRs.contains(where: { $0.contains(address) }) { return true }
        guard let interface = source.interface else { return false }
        return node.podInterfaces.contains { known in
            switch known {
            case .bridge(let name): interface == name
            case .prefix(let start): interface.hasPrefix(start)
            }
        }
    }

    /// Lists of sources hold for every address of a service. One that names only one family closes the other, and what
    /// is denied is so whatever else is allowed.
    private func isShutOut(_ source: IPAddress, by service: Service) -> Bool {
        let isAllowed = service.allowedSources.isEmpty || service.allowedSources.contains { $0.contains(source) }
        return !isAllowed || service.deniedSources.contains { $0.contains(source) }
    }

    /// 35, for all lists: an address of the node that may is enough, and one that may not is too.
    private func admitsNode(to destination: Destination) -> Bool {
        let service = destination.service
        let own = nodeAddresses.filter { $0.family == destination.address.family }
        if own.contains(where: { address in service.deniedSources.contains { $0.contains(address) } }) { return false }
        var lists = [service.allowedSources]
        if destination.kind == .loadBalancerIP { lists.append(service.loadBalancerSourceRanges) }
        return own.contains { address in
            lists.allSatisfy { list in list.isEmpty || list.contains { $0.contains(address) } }
        }
    }

    /// 4, 9, 34 and 35.
    private func isAllowed(_ source: IPAddress, by service: Service, at destination: IPAddress) -> Bool {
        let ranges = service.loadBalancerSourceRanges
        if ranges.isEmpty { return true }
        let ours = ranges.filter { $0.family == source.family }
        if ours.contains(where: { $0.prefixLength == 0 || $0.contains(source) }) { return true }
        let namesTheNode = ours.contains { block in nodeAddresses.contains { block.contains($0) } }
        return namesTheNode && source == destination
    }
}

/// An endpoint and the port on it.
struct ChosenEndpoint {
    let address: IPAddress
    let place: Place
    let server: String
}

/// 10 to 16: who takes new connections, of all and on this node. Nobody does whom a weight of 0 drains.
struct EndpointSets {
    let cluster: [ChosenEndpoint]
    let local: [ChosenEndpoint]

    init(_ service: Service, _ port: ServicePort, _ family: IPFamily, _ node: NodeFacts) {
        let all = service.endpoints.filter {
            $0.address.family == family && $0.weight > 0 && Self.number(of: port, on: $0) != nil
        }
        let ready = all.filter { endpoint in
            service.publishNotReadyAddresses
                || endpoint.conditions.contains(.isReady) && !endpoint.conditions.contains(.isTerminating)
        }
        let terminating = all.filter { $0.conditions.contains([.isServing, .isTerminating]) }
        func here(_ endpoints: [Endpoint]) -> [Endpoint] {
            endpoints.filter { node.nodeName != nil && $0.nodeName == node.nodeName }
        }
        let near = Self.near(ready, service, node)
        cluster = Self.choices(near.isEmpty ? terminating : near, port)  // 11
        local = Self.choices(here(ready).isEmpty ? here(terminating) : here(ready), port)  // 12
    }

    /// 13: this node's, else this zone's, else all; a hint is worth something only where every ready endpoint has one.
    private static func near(_ ready: [Endpoint], _ service: Service, _ node: NodeFacts) -> [Endpoint] {
        func meant(for place: String?, _ hints: (Endpoint) -> [String]) -> [Endpoint]? {
            guard let place, ready.allSatisfy({ !hints($0).isEmpty }) else { return nil }
            let near = ready.filter { hints($0).contains(place) }
            return near.isEmpty ? nil : near
        }
        // Native definitions have no control plane that would turn the distribution into hints.
        let distribution = service.isFromKubernetes ? nil : service.trafficDistribution
        return meant(for: node.nodeName) { endpoint in
            if !endpoint.nodeHints.isEmpty { return endpoint.nodeHints }
            return distribution == "PreferSameNode" ? [endpoint.nodeName].compactMap { $0 } : []
        }
            ?? meant(for: node.zone) { endpoint in
                if !endpoint.zoneHints.isEmpty { return endpoint.zoneHints }
                return distribution == nil ? [] : [endpoint.zone].compactMap { $0 }
            } ?? ready
    }

    private static func number(of port: ServicePort, on endpoint: Endpoint) -> UInt16? {
        if let stated = endpoint.ports.first(where: { $0.name == port.name && $0.transport == port.transport }) {
            return stated.port
        }
        if endpoint.inheritsTargetPorts, case .number(let number) = port.target { return number }
        return nil
    }

    private static func choices(_ endpoints: [Endpoint], _ port: ServicePort) -> [ChosenEndpoint] {
        endpoints.compactMap { endpoint in
            guard
                let place = Place.allCases.first(where: { $0.addresses[endpoint.address.family] == endpoint.address }),
                let number = number(of: port, on: endpoint)
            else { return nil }
            return ChosenEndpoint(
                address: endpoint.address, place: place, server: ConformanceLab.server(place, number))
        }
    }
}
