internal import NetAddress
internal import ServiceModel
internal import ServicePlan
internal import XTables

/// Takes the objects of services one by one.
protocol ObjectCollector {
    mutating func add(_ key: ObjectKey, _ value: ObjectValue)
}

/// Walks through the frontends of one service.
struct ServiceLowering {
    let service: PlannedService
    let serviceName: String
    let layout: Layout
    /// Chains that are there already: frontends share theirs.
    private var done: Set<ChainPlace> = []

    private struct ChainPlace: Hashable {
        let family: IPFamily
        let table: XTTable
        let name: String
    }

    init(_ service: PlannedService, _ layout: Layout) {
        self.service = service
        serviceName = service.name.description
        self.layout = layout
    }

    mutating func lower(into collector: inout some ObjectCollector) {
        for frontend in service.frontends {
            lead(frontend, &collector)
            refuse(frontend, &collector)
            tellServing(frontend, &collector)
        }
    }

    // MARK: - Names

    /// What a chain of a service port is for, in words that no other service has.
    func subject(_ frontend: Frontend, _ detail: String = "") -> String {
        "\(serviceName) \(frontend.portName) \(frontend.transport) \(detail)"
    }

    /// `shop/web:http`, or without the port where that has no name.
    func portText(_ frontend: Frontend) -> String {
        frontend.portName.isEmpty ? serviceName : serviceName + ":" + frontend.portName
    }

    /// `shop/web:http cluster IP`.
    func comment(_ frontend: Frontend) -> XTMatch { .comment("\(portText(frontend)) \(frontend.address.kindText)") }

    // MARK: - Adding

    /// Whether a chain is still to be made.
    mutating func isNew(_ family: IPFamily, _ table: XTTable, _ name: String) -> Bool {
        done.insert(ChainPlace(family: family, table: table, name: name)).inserted
    }

    /// Makes a chain, with a mark in its first rule.
    func chain(
        _ family: IPFamily, _ table: XTTable, _ name: String, _ mark: String, _ rules: [XTRule],
        _ collector: inout some ObjectCollector
    ) {
        var rules = rules
        if let first = rules.first { rules[0] = XTRule(first.matches + [Layout.mark(mark)], first.target) }
        collector.add(.chain(family, table, name), .chain(rules.map { .known($0) }))
    }

    /// Adds the rule for a frontend to a list.
    func entry(
        _ frontend: Frontend, _ list: SharedChain, _ target: XTTarget, _ collector: inout some ObjectCollector
    ) {
        let key = EntryKey(frontend.address.family, list, frontend.address.ip, frontend.transport, frontend.port)
        entry(key, XTRule(frontend.matches + [comment(frontend)], target), &collector)
    }

    /// Adds a rule to a shared chain. Of a list that is split its part is made too, and the way there.
    func entry(_ key: EntryKey, _ rule: XTRule, _ collector: inout some ObjectCollector) {
        collector.add(.entry(key), .rule(.known(rule)))
        for (key, value) in layout.way(to: key) { collector.add(key, value) }
    }
}

extension Frontend {
    /// What is addressed to the frontend. A node port's address is looked at before.
    var matches: [XTMatch] {
        let port = XTMatch.destinationPort(transport, port)
        return address.ip.map { [.destination(CIDR($0)), port] } ?? [port]
    }

    /// Whether connections may be turned away that there are endpoints for.
    var isGuarded: Bool { allowedSources != nil || !deniedSources.isEmpty || limits != nil }
}

extension FrontendAddress {
    var isClusterIP: Bool { if case .clusterIP = self { true } else { false } }

    var kindText: String {
        switch self {
        case .clusterIP: "cluster IP"
        case .externalIP: "external IP"
        case .loadBalancerIP: "load-balancer IP"
        case .nodePort: "node port"
        }
    }
}
