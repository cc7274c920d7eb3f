internal import NFTables
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

// Who may use an address, and how much of a service.

extension ServiceLowering {
    func guardSources(_ frontend: Frontend, _ comment: String, _ collector: inout some ElementCollector) {
        let isNodePort = frontend.address.ip == nil
        if let allowed = frontend.allowedSources {
            list(
                frontend, allowed, isNodePort ? .restrictedNodePorts : .restrictedServices,
                isNodePort ? .nodePortSourceRanges : .sourceRanges, &collector)
        }
        if !frontend.deniedSources.isEmpty {
            list(
                frontend, frontend.deniedSources, isNodePort ? .denyingNodePorts : .denyingServices,
                isNodePort ? .nodePortDeniedSources : .deniedSources, &collector)
        }
        if let limits = frontend.limits { limit(frontend, limits, comment, &collector) }
        if frontend.allowedSources != nil || !frontend.deniedSources.isEmpty || frontend.limits != nil {
            member(frontend, isNodePort ? .blockedNodePorts : .blockedServices, comment, &collector)
        }
    }

    private func list(
        _ frontend: Frontend, _ blocks: [CIDR], _ members: SetID.Role, _ ranges: SetID.Role,
        _ collector: inout some ElementCollector
    ) {
        let family = frontend.address.family
        collector.append(key(frontend), .member, to: SetID(family, members))
        for block in blocks {
            var (start, end) = (key(frontend), key(frontend))
            start.append(block.address)
            end.append(block.lastAddress)
            collector.append(start, .range(end: end), to: SetID(family, ranges))
        }
    }

    private func limit(
        _ frontend: Frontend, _ limits: ConnectionLimits, _ comment: String, _ collector: inout some ElementCollector
    ) {
        guard let number = service.limitNumber else { return }
        let family = frontend.address.family
        let address = PoolAddress.address(number, family)
        let role: SetID.Role = frontend.address.ip == nil ? .limitedNodePorts : .limitedServices
        collector.need(shared.chains(for: .limits, family))
        collector.append(key(frontend), .address(address, comment: comment), to: SetID(family, role))
        var key = ElementKey()
        key.append(address)
        if let most = limits.maxConnections {
            let value = ElementValue.stateful(.connectionsOver(most), comment: service.name.description)
            collector.append(key, value, to: SetID(family, .connectionLimits))
        }
        if let most = limits.maxConnectionsPerSource {
            collector.append(key, .member, to: SetID(family, .sourceConnectionLimits, Int(most)))
        }
        if let rate = limits.newConnections {
            collector.append(key, .member, to: SetID(family, .rateLimits, RateLimits.number(of: rate)))
        }
    }

    /// Semantics 41: what leaves these sets tells which flows are stale, also after a restart.
    func tellServing(_ frontend: Frontend, _ collector: inout some ElementCollector) {
        guard !frontend.servingEndpoints.isEmpty else { return }
        let family = frontend.address.family
        var frontendKey = ElementKey()
        if let ip = frontend.address.ip { frontendKey.append(ip) }
        frontendKey.append(port: frontend.port)
        let set = SetID(family, frontend.address.ip == nil ? .udpNodePortServing : .udpServing)
        for endpoint in frontend.servingEndpoints {
            var key = frontendKey
            key.append(endpoint.address)
            key.append(port: endpoint.port)
            collector.append(key, .member, to: set)
        }
    }
}
