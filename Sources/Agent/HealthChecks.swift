internal import NetAddress
public import ServiceModel
internal import ServicePlan
public import ServiceSource

/// The health-check node ports and what they answer (semantics 48).
public struct HealthChecks: Sendable {
    /// What one port answers.
    public struct Check: Hashable, Sendable {
        public var service: ServiceName
        /// Endpoints on this node that are ready and not terminating.
        public var localEndpoints: Int

        public init(service: ServiceName, localEndpoints: Int) {
            self.service = service
            self.localEndpoints = localEndpoints
        }
    }

    /// A service that wants a port.
    private struct Claim: Hashable {
        var port: UInt16
        var localEndpoints: Int
        var creationTimestamp: String?
    }

    private let nodeName: String?
    private var claims: [ServiceName: Claim] = [:]
    private var disputes = FindingBoard()
    private var disputed: Set<ServiceName> = []

    /// - Parameter nodeName: nil if it is not known, and then no endpoint is local.
    public init(nodeName: String?) { self.nodeName = nodeName }

    /// Takes changed services in, nil for those that are gone.
    ///
    /// - Returns: whether that changes any answer.
    public mutating func update(_ changes: [ServiceName: Service?]) -> Bool {
        var isOther = false
        for (name, service) in changes {
            let new = service.flatMap(claim)
            guard claims[name] != new else { continue }
            claims[name] = new
            isOther = true
        }
        return isOther
    }

    /// Only load balancers whose traffic must stay on this node ask for it.
    private func claim(_ service: Service) -> Claim? {
        guard let port = service.healthCheckNodePort, service.externalTrafficPolicy == .local else { return nil }
        let local = service.endpoints.filter { endpoint in
            nodeName != nil && endpoint.nodeName == nodeName && endpoint.conditions.contains(.isReady)
                && !endpoint.conditions.contains(.isTerminating)
        }
        // An endpoint with an address in each family is one endpoint, and so is one that several ports lead to.
        let families = Dictionary(grouping: local, by: \.address.family).mapValues { Set($0.map(\.address)).count }
        return Claim(
            port: port, localEndpoints: families.values.max() ?? 0, creationTimestamp: service.creationTimestamp)
    }

    /// By port. Where several services want one port, the oldest has it, as with addresses (semantics 8).
    public var checks: [UInt16: Check] {
        owners.mapValues { Check(service: $0, localEndpoints: claims[$0]?.localEndpoints ?? 0) }
    }

    private var owners: [UInt16: ServiceName] {
        claims.reduce(into: [:]) { owners, next in
            guard let owner = owners[next.value.port], let claim = claims[owner] else {
                return owners[next.value.port] = next.key
            }
            let isOlder = FrontendClaims.precedes(
                (next.value.creationTimestamp, next.key), (claim.creationTimestamp, owner))
            if isOlder { owners[next.value.port] = next.key }
        }
    }

    /// What services say that want a port which an older one has.
    public mutating func findings(now: Timestamp) -> [SourceFinding] {
        let owners = owners
        var losers: Set<ServiceName> = []
        for (name, claim) in claims {
            guard let owner = owners[claim.port], owner != name else { continue }
            losers.insert(name)
            let message = "belongs to \(owner), which is older; \(name) does not get it"
            disputes.set(
                [(.error, "health-check node port \(claim.port) \(message)")], for: "service \(name)", now: now)
        }
        for name in disputed.subtracting(losers) { disputes.set([], for: "service \(name)", now: now) }
        disputed = losers
        return disputes.list(now: now)
    }
}
