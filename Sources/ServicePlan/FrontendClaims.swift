internal import NetAddress
public import ServiceModel

/// Who owns which address, protocol and port.
///
/// Sources that cannot be refused may claim the same frontend for two services. The older service then wins, by
/// creation time and then by name, so that the outcome never depends on the order of reading (semantics 8).
public struct FrontendClaims: Sendable {
    struct Key: Hashable {
        let address: IPAddress?
        let family: IPFamily
        let transport: TransportProtocol
        let port: UInt16

        init(_ frontend: Frontend) {
            address = frontend.address.ip
            family = frontend.address.family
            transport = frontend.transport
            port = frontend.port
        }
    }

    private var owners: [Key: ServiceName] = [:]
    private var numbers = PoolNumbers()

    public init() {}

    /// The order in which services must be admitted: oldest first, those without a time last.
    public static func precedes(_ left: Service, _ right: Service) -> Bool {
        precedes((left.creationTimestamp, left.name), (right.creationTimestamp, right.name))
    }

    /// The same of what counts of a service alone.
    public static func precedes(
        _ left: (created: String?, name: ServiceName), _ right: (created: String?, name: ServiceName)
    ) -> Bool {
        switch (left.created, right.created) {
        case (let first?, let second?) where first != second: first < second
        case (_?, nil): true
        case (nil, _?): false
        default: left.name < right.name
        }
    }

    /// Takes what is free for a service; what another one owns is removed from its plan and returned.
    public mutating func admit(_ service: inout PlannedService) -> [Conflict] {
        var conflicts: [Conflict] = []
        let name = service.name
        service.claimNumbers(&numbers)
        service.frontends.removeAll { frontend in
            let key = Key(frontend)
            guard let owner = owners.updateValue(name, forKey: key), owner != name else { return false }
            owners[key] = owner
            conflicts.append(Conflict(loser: name, winner: owner, frontend: frontend))
            return true
        }
        service.dropUnusedPools()
        return conflicts
    }

    /// A frontend that two services want.
    public struct Conflict: Hashable, Sendable {
        public let loser: ServiceName
        public let winner: ServiceName
        public let frontend: Frontend
    }
}

extension PlannedService {
    /// Whether two plans want the same addresses, protocols and ports, in the same order.
    func claimsTheSame(as other: PlannedService) -> Bool {
        frontends.count == other.frontends.count && !frontends.isEmpty
            && zip(frontends, other.frontends).allSatisfy { FrontendClaims.Key($0) == FrontendClaims.Key($1) }
    }
}

extension FrontendClaims.Conflict: CustomStringConvertible {
    public var description: String {
        "\(frontend.reference) belongs to \(winner), which is older; \(loser) does not get it"
    }
}

extension Frontend {
    /// For messages: `cluster IP 10.96.0.10 port 80/TCP` or `node port 30080/TCP (IPv4)`.
    public var reference: String {
        let portText = "\(port)/\(transport.kubernetesName)"
        return switch address {
        case .clusterIP(let ip): "cluster IP \(ip) port \(portText)"
        case .externalIP(let ip): "external IP \(ip) port \(portText)"
        case .loadBalancerIP(let ip): "load-balancer IP \(ip) port \(portText)"
        case .nodePort(let family): "node port \(portText) (\(family))"
        }
    }
}
