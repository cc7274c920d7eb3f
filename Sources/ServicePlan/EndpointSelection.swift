internal import NetAddress
internal import ServiceModel

/// Which endpoints of a service take new connections in one family (semantics 10-12, 14, 16).
struct EndpointSelection {
    /// Endpoints of the family that take connections at all, with the two facts that choosing among them needs.
    private var candidates: [(endpoint: Endpoint, isReady: Bool, isLocal: Bool)] = []

    init(_ service: Service, _ family: IPFamily, _ node: NodeFacts) {
        candidates.reserveCapacity(service.endpoints.count)
        for endpoint in service.endpoints where endpoint.address.family == family && endpoint.weight > 0 {
            let isLocal = node.nodeName != nil && endpoint.nodeName == node.nodeName
            candidates.append((endpoint, Self.isReady(endpoint, of: service), isLocal))
        }
    }

    /// Ready excludes terminating, unless the service publishes endpoints whatever their state (semantics 10).
    private static func isReady(_ endpoint: Endpoint, of service: Service) -> Bool {
        if service.publishNotReadyAddresses { return true }
        return endpoint.conditions.contains(.isReady) && !endpoint.conditions.contains(.isTerminating)
    }

    private static func isServingTerminating(_ endpoint: Endpoint) -> Bool {
        endpoint.conditions.isSuperset(of: [.isServing, .isTerminating])
    }

    /// The two sets for one port: all of the cluster's endpoints and this node's, each with its own fallback to those
    /// that are terminating but still serve (semantics 11 and 12). An endpoint that a weight of 0 drains is in
    /// neither, so that there is never a local one without one in the cluster.
    func targets(for port: ServicePort) -> PortTargets {
        var ready = Choice()
        var terminating = Choice()
        for (endpoint, isReady, isLocal) in candidates {
            guard isReady || Self.isServingTerminating(endpoint), let number = endpoint.targetPort(for: port) else {
                continue
            }
            let target = Target(
                address: endpoint.address, port: number, weight: endpoint.weight,
                mayBeLocal: isLocal || endpoint.nodeName == nil)
            if isReady {
                ready.add(target, isLocal)
            } else {
                terminating.add(target, isLocal)
            }
        }
        return PortTargets(
            cluster: Self.distinct(ready.cluster.isEmpty ? terminating.cluster : ready.cluster),
            local: Self.distinct(ready.local.isEmpty ? terminating.local : ready.local))
    }

    private struct Choice {
        var cluster: [Target] = []
        var local: [Target] = []

        mutating func add(_ target: Target, _ isLocal: Bool) {
            cluster.append(target)
            if isLocal { local.append(target) }
        }
    }

    /// In order of address and port, so that the order of definitions does not matter; each once, so that an endpoint
    /// that two slices hold gets no double share (semantics 16).
    private static func distinct(_ targets: [Target]) -> [Target] {
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
}

/// The endpoints of one port.
struct PortTargets {
    var cluster: [Target]
    var local: [Target]

    /// What a policy makes of them: nothing anywhere is refused, nothing here alone is dropped (semantics 14 and 26).
    func treatment(_ policy: TrafficPolicy, _ masquerade: Masquerade) -> Treatment {
        let chosen = policy == .cluster ? cluster : local
        if !chosen.isEmpty { return .balance(chosen, masquerade) }
        return cluster.isEmpty ? .reject : .drop
    }
}
