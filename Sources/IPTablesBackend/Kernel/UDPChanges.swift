internal import Dataplane
internal import NetAddress
internal import XTables

extension Changes {
    /// What the transaction did to the endpoints of UDP frontends.
    var udp: UDPChanges {
        var before: ServingEndpoints = [:]
        var after: ServingEndpoints = [:]
        for change in chains where change.table == .nat && change.name.hasPrefix(Self.udpPrefix) {
            Self.read(change.observed ?? [], change.family, into: &before)
            Self.read(change.desired ?? [], change.family, into: &after)
        }
        var changes = UDPChanges()
        for (frontend, endpoints) in before where !endpoints.isSubset(of: after[frontend] ?? []) {
            changes.departures.insert(frontend)
        }
        for (frontend, endpoints) in after {
            let new = endpoints.subtracting(before[frontend] ?? [])
            if !new.isEmpty { changes.arrivals[frontend] = new.count }
        }
        return changes
    }

    private static let udpPrefix = ChainName.prefix + ChainName.Kind.udp.rawValue + "-"

    /// A chain says where clients send to, and who answers there.
    private static func read(_ rules: [ChainRule], _ family: IPFamily, into serving: inout ServingEndpoints) {
        var frontends: [UDPFrontend] = []
        var endpoints: Set<SocketEndpoint> = []
        for case .known(let rule) in rules {
            if case .redirect(let address, let port)? = rule.target {
                endpoints.insert(SocketEndpoint(address: address, port: port))
            } else if rule.target == nil {
                frontends += UDPFrontend(rule, family).map { [$0] } ?? []
            }
        }
        for frontend in frontends { serving[frontend, default: []].formUnion(endpoints) }
    }
}

extension UDPFrontend {
    fileprivate init?(_ rule: XTRule, _ family: IPFamily) {
        var address: IPAddress?
        var port: UInt16?
        for match in rule.matches {
            switch match {
            case .destination(let block, inverted: false): address = block.address
            case .destinationPort(.udp, let number): port = number
            default: break
            }
        }
        guard let port else { return nil }
        if let address { self.init(address: address, port: port) } else { self.init(nodePort: port, family: family) }
    }
}
