public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import XTables
internal import RulesetAccess

extension IPTablesBackend {
    /// What our chains hold now, by service; nil if there are none.
    public mutating func status(withEndpoints _: Bool) throws(BackendError) -> [FrontendStatus]? {
        for _ in 0..<maximumAttempts {
            do {
                return try statusOnce()
            } catch {
                guard error.isStale else { throw error.backendError }
            }
        }
        throw BackendError(.refused, Self.restless)
    }

    private mutating func statusOnce() throws(KernelError) -> [FrontendStatus]? {
        var frontends: [FrontendStatus]?
        for family in IPFamily.allCases {
            var collector = StatusCollector(family: family)
            for table in try tables(family) {
                for (name, rules) in try content(of: table, family).ours { collector.add(name, table, rules) }
            }
            if !collector.isEmpty { frontends = (frontends ?? []) + collector.frontends }
        }
        return frontends?.sorted(by: Self.isListedBefore)
    }

    /// No two frontends are equal in all of this, so that the order is always the same.
    private static func isListedBefore(_ left: FrontendStatus, _ right: FrontendStatus) -> Bool {
        let (a, b) = (
            (left.service, left.kind.rawValue, left.family), (right.service, right.kind.rawValue, right.family)
        )
        if a != b { return a < b }
        if let one = left.address, let other = right.address, one != other { return one < other }
        return (left.port, left.transport.rawValue) < (right.port, right.transport.rawValue)
    }
}

/// Puts together what several chains say about one frontend.
private struct StatusCollector {
    private struct Entry {
        let rule: XTRule
        let packets: UInt64
    }

    let family: IPFamily
    private var chains: [String: [XTRule]] = [:]
    private var leading: [EntryKey: Entry] = [:]
    private var refusing: [EntryKey: Entry] = [:]

    init(family: IPFamily) { self.family = family }

    var isEmpty: Bool { chains.isEmpty && leading.isEmpty && refusing.isEmpty }

    mutating func add(_ name: String, _ table: XTTable, _ rules: [FoundRule]) {
        guard let place = SharedPlace(table, name) else {
            if table == .nat { chains[name] = rules.compactMap(\.rule.known) }
            return
        }
        chains[name] = chains[name] ?? []
        for observed in rules {
            guard let rule = observed.rule.known, let key = EntryKey(rule, place, family),
                key.transport != nil
            else { continue }
            let entry = Entry(rule: rule, packets: observed.packets)
            if table == .nat { leading[key] = entry } else { refusing[key.inNAT] = entry }
        }
    }

    var frontends: [FrontendStatus] {
        Set(leading.keys).union(refusing.keys).compactMap { key in
            guard let transport = key.transport, let rule = (leading[key] ?? refusing[key])?.rule else { return nil }
            let (service, kind) = Self.parts(rule)
            let drops = refusing[key]?.packets ?? 0
            let isLed = leading[key].map { $0.rule.target != .accept } ?? false
            return FrontendStatus(
                service: service, kind: kind, family: family, address: key.address, transport: transport,
                port: key.number,
                state: state(key, isLed: isLed), endpoints: endpoints(key),
                // Who is dropped has been led this far too.
                connections: isLed ? (leading[key]?.packets ?? 0) &- min(drops, leading[key]?.packets ?? 0) : 0,
                drops: drops)
        }
    }

    /// Where outsiders find no endpoint here, the only way on is that of the node's own clients.
    private func state(_ key: EntryKey, isLed: Bool) -> FrontendStatus.State {
        switch refusing[key]?.rule.target {
        case nil: return .serving
        case .drop where isLed && !endpoints(key).isEmpty: return .serving
        case .drop: return .dropping
        default: return isLed && !endpoints(key).isEmpty ? .serving : .refusing
        }
    }

    /// Each endpoint once, in order.
    private func endpoints(_ key: EntryKey) -> [SocketEndpoint] {
        var seen: Set<SocketEndpoint> = []
        return (leading[key].map { endpoints(behind: $0.rule, depth: 0) } ?? []).filter { seen.insert($0).inserted }
    }

    /// What outsiders come to: a rule that leads on under a condition is for the node's own clients.
    private func endpoints(behind rule: XTRule, depth: Int) -> [SocketEndpoint] {
        switch rule.target {
        case .redirect(let address, let port): return [SocketEndpoint(address: address, port: port)]
        case .goto(let name):
            guard depth < 4, let rules = chains[name] else { return [] }
            return rules.filter { rule in
                if case .redirect? = rule.target { return !rule.remembers }
                return !rule.matches.contains { if case .comment = $0 { false } else { true } }
            }.flatMap { endpoints(behind: $0, depth: depth + 1) }
        default: return []
        }
    }

    /// The service and the kind of address that a comment names.
    private static func parts(_ rule: XTRule) -> (service: String, kind: FrontendStatus.Kind) {
        for case .comment(let text) in rule.matches {
            let parts = text.split(separator: " ", maxSplits: 1)
            guard let service = parts.first, parts.count == 2 else { continue }
            switch parts[1] {
            case "cluster IP": return (String(service), .clusterIP)
            case "node port": return (String(service), .nodePort)
            default: return (String(service), .external)
            }
        }
        return ("?", .external)
    }
}

extension EntryKey {
    /// The rule in `nat` for the same frontend.
    fileprivate var inNAT: EntryKey {
        EntryKey(family, list == .refusedNodePorts ? .nodePorts : .services, address, transport, number)
    }
}

extension XTRule {
    /// Whether the rule is for clients that came before.
    fileprivate var remembers: Bool {
        matches.contains { if case .recentCheck = $0 { true } else { false } }
    }
}
