public import Dataplane
internal import NetAddress
public import NFTables
public import ServicePlan

/// Gathers the elements of services by their sets, and what services share.
private struct RulesetCollector: ElementCollector {
    var elements = ElementTable<(ElementKey, ElementValue)>()
    var objects: [ObjectKey: ObjectValue] = [:]

    mutating func append(_ key: ElementKey, _ value: ElementValue, to set: SetID) {
        elements.append((key, value), to: set)
    }

    mutating func need(_ needed: [SharedObjects.Object]) { for (key, value) in needed { objects[key] = value } }
}

/// Gathers the ruleset that an empty node would get: what a dry run prints.
///
/// The outcome depends on the services alone, not on their order.
public struct RulesetBuilder: ~Copyable {
    private let backend: NFTablesBackend
    private var collector = RulesetCollector()

    public init(options: LayoutOptions) { backend = NFTablesBackend(options: options) }

    /// Adds a service's objects.
    public mutating func add(_ service: PlannedService) { backend.lower(service, into: &collector) }

    /// The ruleset of all services so far.
    public consuming func finished() -> Ruleset {
        for set in collector.elements.sets where set.role.hasParameter {
            collector.need(backend.shared.objects(for: set))
        }
        let tables = IPFamily.allCases.map { family in
            Ruleset.Content(table: Layout.table(family), sets: sets(family), chains: chains(family))
        }
        return Ruleset(tables: tables)
    }

    private func sets(
        _ family: IPFamily
    ) -> [(definition: SetDefinition, elements: [(ElementKey, ElementValue)])] {
        var content: [SetID: [(ElementKey, ElementValue)]] = [:]
        for (set, elements) in collector.elements.inOrder(family) { content[set] = elements }
        let fixed = SetID.Role.allCases.filter { !$0.hasParameter }.map { SetID(family, $0) }
        // Some sets are needed before anything is in them.
        let needed = collector.objects.keys.compactMap { key -> SetID? in
            guard case .set(family, let name) = key else { return nil }
            return SetID(family, name: name)
        }
        return Set(fixed + needed).sorted().map { set in
            (definition: set.definition, elements: Self.distinct(content[set] ?? []))
        }
    }

    private func chains(_ family: IPFamily) -> [(chain: Chain, rules: [Rule])] {
        var shared: [String: [SharedRule]] = [:]
        var needed: [String: Chain] = [:]
        for (key, value) in collector.objects where key.family == family {
            switch (key, value) {
            case (.sharedRule(let rule), _): shared[rule.chain, default: []].append(rule)
            case (.chain(_, let name), .chain(let chain)): needed[name] = chain
            default: break
            }
        }
        let layout = backend.layout
        let chains = ChainName.allCases.filter { $0.purpose == nil || needed[$0.rawValue] != nil }.map { name in
            (chain: name.chain(family), rules: layout.rules(name, family))
        }
        let others = needed.values.filter { ChainName(rawValue: $0.name) == nil }.sorted { $0.name < $1.name }
        return (chains + others.map { (chain: $0, rules: []) }).map { chain, rules in
            (chain: chain, rules: rules + (shared[chain.name] ?? []).sorted().map(\.rule))
        }
    }

    /// In order of key; elements that several services share are there once.
    private static func distinct(_ elements: [(ElementKey, ElementValue)]) -> [(ElementKey, ElementValue)] {
        // Sorting small stand-ins instead of whole elements: most comparisons are decided by the first bytes.
        let order = elements.indices.map { (prefix: elements[$0].0.prefix, index: Int32(truncatingIfNeeded: $0)) }
            .sorted { left, right in
                if left.prefix.0 != right.prefix.0 { return left.prefix.0 < right.prefix.0 }
                if left.prefix.1 != right.prefix.1 { return left.prefix.1 < right.prefix.1 }
                return elements[Int(left.index)].0 < elements[Int(right.index)].0
            }
        var result: [(ElementKey, ElementValue)] = []
        result.reserveCapacity(order.count)
        for (_, index) in order {
            if elements[Int(index)].0 != result.last?.0 { result.append(elements[Int(index)]) }
        }
        return result
    }
}
