internal import NetAddress
internal import ServiceModel
internal import ServicePlan
internal import XTables

// Who may use an address, how much of a service, and what becomes of those who may not.

extension ServiceLowering {
    /// A chain for a frontend's lists of sources; nil if it has none. In `nat` it comes back with who may connect; in
    /// `filter`, where nothing serves, all end there.
    mutating func sources(
        _ frontend: Frontend, _ table: XTTable, _ collector: inout some ObjectCollector
    ) -> String? {
        guard frontend.allowedSources != nil || !frontend.deniedSources.isEmpty else { return nil }
        let denied = frontend.deniedSources
        let allowed = frontend.allowedSources
        // Services' lists rarely differ by address; where they do, so do the chains.
        let lists = [denied, allowed ?? []].map { $0.map { "\($0)" }.joined(separator: ",") }
        let content = "\(lists[0]) \(allowed == nil ? "all" : lists[1])"
        let name = ChainName.name(.sources, "\(serviceName) \(content)")
        guard isNew(frontend.address.family, table, name) else { return name }
        let away: XTTarget = table == .nat ? .accept : .drop
        let welcome: XTTarget = table == .nat ? .return : .reject
        var rules = denied.map { XTRule([.source($0)], away) }
        rules += (allowed ?? []).map { XTRule([.source($0)], welcome) }
        rules.append(XTRule([], allowed == nil ? welcome : away))
        chain(frontend.address.family, table, name, "\(serviceName) sources", rules, &collector)
        return name
    }

    /// A chain for the limits of the whole service, which all of its addresses ask; nil if it has none.
    mutating func limits(_ frontend: Frontend, _ collector: inout some ObjectCollector) -> String? {
        guard let limits = frontend.limits else { return nil }
        let family = frontend.address.family
        let name = ChainName.name(.limits, serviceName)
        if isNew(family, .nat, name) {
            var matches: [XTMatch] = []
            if let most = limits.maxConnections { matches.append(.connectionsAbove(most, maskLength: 0)) }
            if let most = limits.maxConnectionsPerSource {
                matches.append(.connectionsAbove(most, maskLength: family.addressBits))
            }
            if let rate = limits.newConnections {
                // The kernel keeps the table of a name as it was first made, so that other numbers need another name.
                let subject = "\(serviceName) \(family) \(rate.perSecond) \(rate.burst)"
                // Who is forgotten before its burst is full again would get a whole one.
                let seconds = rate.burst / max(rate.perSecond, 1) + 1
                matches.append(
                    .rateAbove(
                        perSecond: rate.perSecond, burst: rate.burst, name: "svcctl-" + ChainName.hash(subject),
                        expireMilliseconds: seconds * 1000))
            }
            let rules = matches.map { XTRule([$0], .accept) }
            chain(family, .nat, name, "\(serviceName) limits", rules, &collector)
        }
        return name
    }

    /// What becomes of new connections that were not redirected.
    mutating func refuse(_ frontend: Frontend, _ collector: inout some ObjectCollector) {
        let isNodePort = frontend.address.ip == nil
        let shared: SharedChain = isNodePort ? .refusedNodePorts : .refusedServices
        switch frontend.treatment {
        case .reject:
            let sources = sources(frontend, .filter, &collector)
            entry(frontend, shared, sources.map { .goto($0) } ?? .reject, &collector)
        case .drop: entry(frontend, shared, .drop, &collector)
        case .balance:
            if frontend.isGuarded { entry(frontend, shared, .drop, &collector) }
        }
        // Semantics 31.
        guard case .clusterIP(let address) = frontend.address else { return }
        let rule = XTRule(
            [.destination(CIDR(address)), .addressType(source: false, isLocal: false)], .reject)
        entry(EntryKey(address.family, .clusterIPs, address, nil, 0), rule, &collector)
    }

    /// Semantics 41: a chain that no rule leads to says which endpoints answer at which addresses. What leaves it tells
    /// which flows are stale, also after a restart.
    mutating func tellServing(_ frontend: Frontend, _ collector: inout some ObjectCollector) {
        guard frontend.transport == .udp, !frontend.servingEndpoints.isEmpty else { return }
        let family = frontend.address.family
        let name = ChainName.name(.udp, subject(frontend))
        guard isNew(family, .nat, name) else { return }
        let siblings = service.frontends.filter {
            $0.transport == .udp && $0.portName == frontend.portName && $0.address.family == family
        }
        let rules =
            siblings.map { XTRule($0.matches) }
            + frontend.servingEndpoints.map { XTRule([.transport(.udp)], .redirect($0.address, $0.port)) }
        chain(family, .nat, name, "\(portText(frontend)) for flows that exist", rules, &collector)
    }
}
