internal import NetAddress
public import ServiceModel

/// The health-check node ports and what they answer (semantics 48).
public struct HealthChecks: Sendable {
    /// What one port answers.
    public struct Check: Hashable, Sendable {
        public var service: ServiceName
        /// Endpoints on this node that are ready and not terminating.
        public var localEndpoints: Int
    }

    private let nodeName: String?
    private var byService: [ServiceName: (port: UInt16, localEndpoints: Int)] = [:]

    /// - Parameter nodeName: nil if it is not known, and then no endpoint is local.
    public init(nodeName: String?) { self.nodeName = nodeName }

    /// Takes changed services in, nil for those that are gone.
    ///
    /// - Returns: whether that changes any answer.
    public mutating func update(_ changes: [ServiceName: Service?]) -> Bool {
        var isOther = false
        for (name, service) in changes {
            let (old, new) = (byService[name], service.flatMap(check))
            guard old?.port != new?.port || old?.localEndpoints != new?.localEndpoints else { continue }
            byService[name] = new
            isOther = true
        }
        return isOther
    }

    /// Only load balancers whose traffic must stay on this node ask for it.
    private func check(_ service: Service) -> (port: UInt16, localEndpoints: Int)? {
        guard let port = service.healthCheckNodePort, service.externalTrafficPolicy == .local else { return nil }
        let local = service.endpoints.filter { endpoint in
            nodeName != nil && endpoint.nodeName == nodeName && endpoint.conditions.contains(.isReady)
                && !endpoint.conditions.contains(.isTerminating)
        }
        // An endpoint with an address in each family is one endpoint, and so is one that several ports lead to.
        let families = Dictionary(grouping: local, by: \.address.family).mapValues { Set($0.map(\.address)).count }
        return (port, families.values.max() ?? 0)
    }

    /// By port. Where two services want one port, the first by name has it.
    public var checks: [UInt16: Check] {
        var checks: [UInt16: Check] = [:]
        for (name, check) in byService.sorted(by: { $0.key < $1.key }) where checks[check.port] == nil {
            checks[check.port] = Check(service: name, localEndpoints: check.localEndpoints)
        }
        return checks
    }
}
