internal import NFTables
internal import NetAddress
internal import ServicePlan

// Pools: endpoints by number, for clients that are remembered and for endpoints that take turns.

extension ServiceLowering {
    mutating func add(_ pool: Pool, to collector: inout some ElementCollector) {
        if let seconds = pool.affinitySeconds, mayRemember(pool) { remember(pool, seconds, &collector) }
        if pool.takesTurns, !pool.targets.isEmpty { takeTurns(pool, &collector) }
        if !pool.drained.isEmpty { hairpins(pool.drained, pool.transport, pool.family, &collector) }
    }

    private func key(_ pool: Pool) -> ElementKey {
        var key = ElementKey()
        key.append(PoolAddress.address(pool.number, pool.family))
        return key
    }

    private func key(_ pool: Pool, _ target: Target) -> ElementKey {
        var key = key(pool)
        key.append(target.address)
        key.append(port: target.port)
        return key
    }

    /// Semantics 36 to 38.
    private func remember(_ pool: Pool, _ seconds: UInt32, _ collector: inout some ElementCollector) {
        let numbers = SetID(pool.family, .affinityNumbers, Int(seconds))
        collector.need(shared.memory(pool.number, numbers))
        for target in pool.eligible {
            collector.append(key(pool, target), .member, to: SetID(pool.family, .affinityEndpoints))
        }
        collector.append(key(pool), .member, to: numbers)
        guard let place = pool.localPool, service.pools.indices.contains(place) else { return }
        let local = service.pools[place]
        let number = PoolAddress.address(local.number, pool.family)
        collector.append(key(pool), .address(number, comment: nil), to: SetID(pool.family, .affinityLocalNumbers))
        // While this node's endpoints are all terminating, they serve here although the cluster's set has none of them.
        for target in local.eligible where !pool.eligible.contains(where: { $0.isSamePlace(as: target) }) {
            collector.append(key(pool, target), .member, to: SetID(pool.family, .affinityElsewhere))
        }
    }

    private func takeTurns(_ pool: Pool, _ collector: inout some ElementCollector) {
        let slots = SlotTable.interleaved(pool.targets)
        let map = SetID.turnEndpoints(pool.family, group: PoolGroup.turns(pool.number), slots: slots.count)
        collector.need(SharedObjects.turns(pool.number, map))
        var poolKey = key(pool)
        poolKey.append(pool.transport)
        for (slot, target) in slots.enumerated() {
            var key = poolKey
            key.append(slot: UInt32(truncatingIfNeeded: slot))
            collector.append(key, .endpoint(SocketAddress(target.address, target.port)), to: map)
        }
    }

    // MARK: - What addresses draw from

    /// Tells which pools a frontend draws from, and under which its clients are remembered.
    func number(_ frontend: Frontend, _ comment: String, _ collector: inout some ElementCollector) {
        guard let pools = frontend.pools else { return }
        let isNodePort = frontend.address.ip == nil
        func add(_ place: Int, _ role: SetID.Role, _ comment: String?) {
            guard service.pools.indices.contains(place), !service.pools[place].eligible.isEmpty else { return }
            let number = PoolAddress.address(service.pools[place].number, frontend.address.family)
            collector.need(shared.chains(for: .numbers, frontend.address.family))
            collector.append(
                key(frontend), .address(number, comment: comment), to: SetID(frontend.address.family, role))
        }
        add(pools.outside, isNodePort ? .nodePortNumbers : .serviceNumbers, comment)
        if let inside = pools.inside {
            add(inside, isNodePort ? .nodePortClusterNumbers : .clusterServiceNumbers, comment)
        }
        guard service.pools.indices.contains(pools.cluster), mayRemember(service.pools[pools.cluster]) else { return }
        let number = PoolAddress.address(service.pools[pools.cluster].number, frontend.address.family)
        let role: SetID.Role = isNodePort ? .affinityNodePorts : .affinityServices
        collector.append(key(frontend), .address(number, comment: nil), to: SetID(frontend.address.family, role))
    }

    /// Whether clients are remembered, and there is an endpoint to remember them for. A family without endpoints has no
    /// rules for it, which stock nft 1.0.6 could not load for IPv6.
    private func mayRemember(_ pool: Pool) -> Bool {
        guard pool.affinitySeconds != nil else { return false }
        let local = pool.localPool.flatMap { service.pools.indices.contains($0) ? service.pools[$0] : nil }
        return !pool.eligible.isEmpty || local.map { !$0.eligible.isEmpty } ?? false
    }

    /// Whether clients may come back although no new one is served: all endpoints are drained.
    func mayReturn(_ frontend: Frontend) -> Bool {
        guard let place = frontend.pools?.outside, service.pools.indices.contains(place) else { return false }
        return service.pools[place].affinitySeconds != nil && !service.pools[place].drained.isEmpty
    }
}

extension Target {
    fileprivate func isSamePlace(as other: Target) -> Bool { address == other.address && port == other.port }
}
