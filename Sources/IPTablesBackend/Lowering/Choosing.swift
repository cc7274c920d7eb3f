internal import NetAddress
internal import ServiceModel
internal import ServicePlan
internal import XTables

// Which endpoint a connection gets.

extension ServiceLowering {
    /// The chain of a service port's endpoints under a policy; nil if nobody can get any.
    mutating func endpoints(
        _ frontend: Frontend, _ policy: TrafficPolicy, _ targets: [Target], _ collector: inout some ObjectCollector
    ) -> String? {
        let pools = frontend.pools.flatMap { Pools($0, service, policy) }
        guard !targets.isEmpty || pools?.own.drained.isEmpty == false else { return nil }
        let name = ChainName.name(policy == .cluster ? .cluster : .local, subject(frontend))
        let family = frontend.address.family
        guard isNew(family, .nat, name) else { return name }
        let text = portText(frontend) + (policy == .cluster ? "" : ", endpoints on this node")
        let draw = Draw(targets: targets, transport: frontend.transport)
        var rules = clusterIPMasquerading(frontend, policy)
        if let pools {
            let memory = Memory(subject: subject(frontend, "\(family)"), pools: pools, draw: draw)
            var again: String?
            if !memory.elsewhere.isEmpty, !targets.isEmpty {
                let other = ChainName.name(.localAgain, subject(frontend))
                chain(family, .nat, other, text, memory.drawAgain, &collector)
                again = other
            }
            rules += memory.rules(again: again)
        } else {
            rules += draw.rules()
        }
        // Where no new client is let in, the others go on to be refused.
        if targets.isEmpty { rules.append(XTRule([], .accept)) }
        chain(family, .nat, name, text, rules, &collector)
        return name
    }

    /// Semantics 18, for the cluster IP of the service port alone, since all of its addresses come here.
    private func clusterIPMasquerading(_ frontend: Frontend, _ policy: TrafficPolicy) -> [XTRule] {
        service.frontends.compactMap { other in
            guard case .clusterIP(let address) = other.address, address.family == frontend.address.family,
                other.policy == policy, other.portName == frontend.portName, other.transport == frontend.transport,
                case .balance(_, let masquerade) = other.treatment
            else { return nil }
            switch masquerade {
            case .never: return nil
            case .always: return XTRule([.destination(CIDR(address))], layout.marking)
            case .outsideCluster:
                return XTRule([.destination(CIDR(address))], .jump(ChainName.Fixed.outside.rawValue))
            }
        }
    }
}

/// Chances: each target takes its share of what those before it leave (semantics 56).
struct Draw {
    let targets: [Target]
    let transport: TransportProtocol

    /// A rule for each target, with more matches of its own.
    func rules(_ more: (Target) -> [XTMatch] = { _ in [] }) -> [XTRule] {
        var left = targets.reduce(0 as UInt64) { $0 + UInt64($1.weight) }
        return targets.enumerated().map { index, target in
            let weight = UInt64(target.weight)
            defer { left -= weight }
            // Parts of 2³¹, rounded as iptables does it, but never to none.
            let chance = UInt32(clamping: max((weight << 31 + left / 2) / max(left, 1), 1))
            let isLast = index == targets.count - 1
            return XTRule(
                [.transport(transport)] + (isLast ? [] : [.statistic(probability: chance)]) + more(target),
                .redirect(target.address, target.port))
        }
    }
}

/// The pools that a chain of endpoints has to do with.
struct Pools {
    /// Whose endpoints these are.
    let own: Pool
    /// That of the whole cluster; the same where the policy is Cluster.
    let cluster: Pool

    init?(_ references: PoolReferences, _ service: PlannedService, _ policy: TrafficPolicy) {
        let place = policy == .cluster ? references.cluster : references.outside
        guard service.pools.indices.contains(place), service.pools.indices.contains(references.cluster) else {
            return nil
        }
        own = service.pools[place]
        cluster = service.pools[references.cluster]
    }
}

/// Clients that are remembered, each on the list of the endpoint that it got (semantics 36 to 38).
///
/// All addresses of a service port have the same lists. Policy Local keeps others of its own for clients that are
/// remembered for an endpoint elsewhere.
struct Memory {
    let subject: String
    let pools: Pools
    let draw: Draw

    private var seconds: UInt32 { pools.own.affinitySeconds ?? 0 }
    private var isLocal: Bool { pools.own.label != pools.cluster.label }

    /// Endpoints that the policy does not allow, and that clients may be remembered for all the same.
    var elsewhere: [Target] {
        guard isLocal else { return [] }
        let here = Set(pools.own.eligible.map(Place.init))
        return pools.cluster.eligible.filter { !here.contains(Place($0)) }
    }

    private struct Place: Hashable {
        let address: IPAddress
        let port: UInt16
        init(_ target: Target) { (address, port) = (target.address, target.port) }
    }

    /// Whoever is remembered comes back, and is remembered anew; others are drawn for.
    func rules(again: String?) -> [XTRule] {
        let returning = pools.own.eligible.map { back(to: $0, isOwn: false) }
        let returningHere = isLocal ? pools.own.eligible.map { back(to: $0, isOwn: true) } : []
        let others =
            again.map { again in elsewhere.map { XTRule(refresh(name($0, isOwn: false)), .goto(again)) } } ?? []
        return returning + returningHere + others + draw.rules { [.recentSet(name: name($0, isOwn: false))] }
    }

    /// For who is remembered for an endpoint elsewhere: what is drawn here is remembered for this policy alone.
    var drawAgain: [XTRule] { draw.rules { [.recentSet(name: name($0, isOwn: true))] } }

    private func back(to target: Target, isOwn: Bool) -> XTRule {
        XTRule(
            [.transport(draw.transport)] + refresh(name(target, isOwn: isOwn)), .redirect(target.address, target.port))
    }

    private func refresh(_ list: String) -> [XTMatch] {
        [.recentCheck(name: list, seconds: seconds, reap: true), .recentSet(name: list)]
    }

    private func name(_ target: Target, isOwn: Bool) -> String {
        "SVCCTL-" + ChainName.hash("\(subject) \(target.address) \(target.port)\(isOwn ? " here" : "")")
    }
}
