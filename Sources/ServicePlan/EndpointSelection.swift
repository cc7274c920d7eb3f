internal import NetAddress
internal import ServiceModel

/// Which endpoints of a service take new connections in one family (semantics 10-14, 16).
struct EndpointSelection {
    private let service: Service
    private let family: IPFamily
    /// Nil where endpoints do not say for whom they are meant.
    private let topology: Topology?
    /// Where the node's name is not known, every endpoint may be on it.
    private let knowsNode: Bool
    /// Endpoints of the family that take connections at all, by index: copying them would count their references up
    /// and down.
    private var candidates: [(index: Int, isReady: Bool, isLocal: Bool)] = []
    /// Ready endpoints whose weight of 0 keeps new clients away: those that are remembered may come back to them.
    private var drained: [(index: Int, isLocal: Bool)] = []

    init(_ service: Service, _ family: IPFamily, _ node: NodeFacts) {
        self.service = service
        self.family = family
        let topology = Topology(node: node, service: service)
        self.topology = topology.isNeeded ? topology : nil
        knowsNode = node.nodeName != nil
        candidates.reserveCapacity(service.endpoints.count)
        for index in service.endpoints.indices
        where service.endpoints[index].address.family == family {
            let isReady = Self.isReady(service.endpoints[index].conditions, of: service)
            guard service.endpoints[index].weight > 0 else {
                if isReady { drained.append((index, isLocal(service.endpoints[index], node))) }
                continue
            }
            guard isReady || service.endpoints[index].conditions.isSuperset(of: [.isServing, .isTerminating]) else {
                continue
            }
            candidates.append((index, isReady, isLocal(service.endpoints[index], node)))
        }
    }

    private func isLocal(_ endpoint: Endpoint, _ node: NodeFacts) -> Bool {
        node.nodeName != nil && endpoint.nodeName == node.nodeName
    }

    /// Ready excludes terminating, unless the service publishes endpoints whatever their state (semantics 10).
    private static func isReady(_ conditions: EndpointConditions, of service: Service) -> Bool {
        if service.publishNotReadyAddresses { return true }
        return conditions.contains(.isReady) && !conditions.contains(.isTerminating)
    }

    /// The two sets for one port: all of the cluster's endpoints and this node's, each with its own fallback to those
    /// that are terminating but still serve (semantics 11 and 12). An endpoint that a weight of 0 drains is in
    /// neither, so that there is never a local one without one in the cluster.
    func targets(for port: ServicePort) -> PortTargets {
        var ready = Choice()
        var terminating = Choice()
        let near = topology.map { topology in
            Set(topology.preferred(candidates.filter { $0.isReady && serves($0.index, port) }.map(\.index)))
        }
        ready.cluster.reserveCapacity(candidates.count)
        for (index, isReady, isLocal) in candidates {
            guard let target = target(index, port, isLocal: isLocal) else { continue }
            if isReady {
                if near?.contains(index) ?? true { ready.cluster.append(target) }
                if isLocal { ready.local.append(target) }
            } else {
                terminating.cluster.append(target)
                if isLocal { terminating.local.append(target) }
            }
        }
        var targets = PortTargets(
            cluster: Self.distinct(ready.cluster.isEmpty ? terminating.cluster : ready.cluster),
            local: Self.distinct(ready.local.isEmpty ? terminating.local : ready.local))
        if !drained.isEmpty {
            targets.drained = Self.distinct(drained.compactMap { target($0.index, port, isLocal: $0.isLocal) })
            targets.drainedLocal = Self.distinct(
                drained.filter(\.isLocal).compactMap { target($0.index, port, isLocal: true) })
        }
        return targets
    }

    /// What an endpoint is for one port; nil if it does not serve that.
    private func target(_ index: Int, _ port: ServicePort, isLocal: Bool) -> Target? {
        let endpoint = service.endpoints[index]
        return endpoint.targetPort(for: port).map { number in
            Target(
                address: endpoint.address, port: number, weight: endpoint.weight,
                mayBeLocal: isLocal || !knowsNode || endpoint.nodeName == nil)
        }
    }

    /// Every endpoint of one port that answers (semantics 41): those that say so, terminating or not and of any weight,
    /// and those that new connections may go to, whatever they say.
    func serving(_ port: ServicePort) -> [ServingEndpoint] {
        var serving: Set<ServingEndpoint> = []
        for endpoint in service.endpoints where endpoint.address.family == family {
            guard endpoint.conditions.contains(.isServing) || Self.isReady(endpoint.conditions, of: service),
                let number = endpoint.targetPort(for: port)
            else { continue }
            serving.insert(ServingEndpoint(address: endpoint.address, port: number))
        }
        return serving.sorted()
    }

    private func serves(_ index: Int, _ port: ServicePort) -> Bool {
        service.endpoints[index].targetPort(for: port) != nil
    }

    private struct Choice {
        var cluster: [Target] = []
        var local: [Target] = []
    }

    /// In order of address and port, so that the order of definitions does not matter; each once, so that an endpoint
    /// that two slices hold gets no double share (semantics 16).
    private static func distinct(_ targets: [Target]) -> [Target] {
        if Self.areDistinct(targets) { return targets }
        let sorted = targets.sorted()
        var result: [Target] = []
        result.reserveCapacity(sorted.count)
        for target in sorted {
            if let last = result.last, last.address == target.address, last.port == target.port {
                result[result.count - 1].weight = max(last.weight, target.weight)
                result[result.count - 1].mayBeLocal = last.mayBeLocal || target.mayBeLocal
            } else {
                result.append(target)
            }
        }
        return result
    }

    /// Whether there is nothing to do, as is usual: in order, each once.
    private static func areDistinct(_ targets: [Target]) -> Bool {
        zip(targets, targets.dropFirst()).allSatisfy { $0 < $1 }
    }
}

/// The endpoints of one port.
struct PortTargets {
    var cluster: [Target]
    var local: [Target]
    /// Who is drained: no new client comes, whoever is remembered may.
    var drained: [Target] = []
    var drainedLocal: [Target] = []

    /// What a policy makes of them: nothing anywhere is refused, nothing here alone is dropped (semantics 14 and 26).
    func treatment(_ policy: TrafficPolicy, _ masquerade: Masquerade) -> Treatment {
        let chosen = policy == .cluster ? cluster : local
        if !chosen.isEmpty { return .balance(chosen, masquerade) }
        return cluster.isEmpty ? .reject : .drop
    }
}
