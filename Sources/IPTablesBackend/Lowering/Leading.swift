internal import NetAddress
internal import ServiceModel
internal import ServicePlan
internal import XTables

// From an address to the endpoints: who may, how much, who is masqueraded, and whose endpoints.

extension ServiceLowering {
    /// The way of a new connection from its address on. What is not served gets no further in `nat`, not even to a node
    /// port of the same number (semantics 6), and is refused in `filter`.
    mutating func lead(_ frontend: Frontend, _ collector: inout some ObjectCollector) {
        let shared: SharedChain = frontend.address.ip == nil ? .nodePorts : .services
        var steps = ways(frontend, &collector)
        guard !steps.isEmpty else {
            if shared == .services { entry(frontend, shared, .accept, &collector) }
            return
        }
        steps = checks(frontend, &collector) + steps
        // Who finds no endpoint here must not come back to where node ports are asked for.
        if !steps[steps.count - 1].matches.isEmpty { steps.append(XTRule([], .accept)) }
        if steps.count == 1, steps[0].matches.isEmpty, let target = steps[0].target {
            return entry(frontend, shared, target, &collector)
        }
        let kind: ChainName.Kind = frontend.address.isClusterIP ? .inner : .external
        let name = ChainName.name(kind, subject(frontend, wayDetail(frontend)))
        if isNew(frontend.address.family, .nat, name) {
            chain(frontend.address.family, .nat, name, portText(frontend), steps, &collector)
        }
        entry(frontend, shared, .goto(name), &collector)
    }

    /// Addresses with lists of their own have chains of their own.
    private func wayDetail(_ frontend: Frontend) -> String {
        if case .loadBalancerIP(let address) = frontend.address, frontend.allowedSources != nil { return "\(address)" }
        return ""
    }

    /// What leads to endpoints; nothing where there is none.
    private mutating func ways(_ frontend: Frontend, _ collector: inout some ObjectCollector) -> [XTRule] {
        let outside = endpoints(frontend, frontend.policy, frontend.treatment.targets, &collector)
        if frontend.address.isClusterIP { return outside.map { [XTRule([], .goto($0))] } ?? [] }
        guard frontend.policy == .local else {
            return outside.map { [XTRule([], layout.marking), XTRule([], .goto($0))] } ?? []
        }
        // Semantics 20 and 21: this node's pods and processes use all of the cluster's endpoints.
        var ways: [XTRule] = []
        if let inside = endpoints(frontend, .cluster, frontend.nodeTreatment?.targets ?? [], &collector) {
            let isLocal = XTMatch.addressType(source: true, isLocal: true)
            ways = layout.fromPods(frontend.address.family).map { XTRule($0, .goto(inside)) }
            ways += [XTRule([isLocal], layout.marking), XTRule([isLocal], .goto(inside))]
        }
        return ways + (outside.map { [XTRule([], .goto($0))] } ?? [])
    }

    /// Rules that come back only with those who may connect, and not too often. Who may not goes on untranslated, past
    /// everybody else's rules, to be dropped in `filter` (semantics 34).
    private mutating func checks(_ frontend: Frontend, _ collector: inout some ObjectCollector) -> [XTRule] {
        var checks: [XTRule] = []
        if let name = sources(frontend, .nat, &collector) { checks.append(XTRule([], .jump(name))) }
        if let name = limits(frontend, &collector) { checks.append(XTRule([], .jump(name))) }
        return checks
    }
}
