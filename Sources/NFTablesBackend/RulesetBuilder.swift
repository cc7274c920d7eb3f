internal import Dataplane
internal import NetAddress
public import NFTables
public import ServicePlan

extension ElementTable<(ElementKey, ElementValue)>: ElementCollector {
    mutating func append(_ key: ElementKey, _ value: ElementValue, to set: SetID) { append((key, value), to: set) }
}

/// Gathers the ruleset that an empty node would get: what a dry run prints.
///
/// The outcome depends on the services alone, not on their order.
public struct RulesetBuilder: ~Copyable {
    private let backend: NFTablesBackend
    private var elements = ElementTable<(ElementKey, ElementValue)>()

    public init(options: LayoutOptions) { backend = NFTablesBackend(options: options) }

    /// Adds a service's objects.
    public mutating func add(_ service: PlannedService) { backend.lower(service, into: &elements) }

    /// The ruleset of all services so far.
    public consuming func finished() -> Ruleset {
        let tables = IPFamily.allCases.map { family in
            var content: [SetID: [(ElementKey, ElementValue)]] = [:]
            for (set, elements) in elements.inOrder(family) { content[set] = elements }
            let fixed = SetID.Role.allCases.filter { !$0.hasSlots }.map { SetID(family, $0) }
            let slotted = content.keys.filter(\.role.hasSlots).sorted()
            let sets = (fixed + slotted).map { set in
                (definition: set.definition, elements: Self.distinct(content[set] ?? []))
            }
            let layout = backend.layout
            let chains = ChainName.allCases.map { name in
                let picking = slotted.filter { $0.role.pickingChain == name }.compactMap(\.pickingRule)
                return (chain: name.chain(family), rules: layout.rules(name, family) + picking)
            }
            return Ruleset.Content(table: Layout.table(family), sets: sets, chains: chains)
        }
        return Ruleset(tables: tables)
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
