internal import Dataplane
internal import NetAddress
public import NFTables
public import ServicePlan

/// Gathers the ruleset that an empty node would get: what a dry run prints.
///
/// The outcome depends on the services alone, not on their order.
public struct RulesetBuilder: ~Copyable {
    private let backend: NFTablesBackend
    private var elements: [SetID: [(ElementKey, ElementValue)]] = [:]

    public init(options: LayoutOptions) { backend = NFTablesBackend(options: options) }

    /// Adds a service's objects.
    public mutating func add(_ service: PlannedService) {
        for case (.element(let set, let key), .element(let value)) in backend.fragment(for: service).objects {
            elements[set, default: []].append((key, value))
        }
    }

    /// The ruleset of all services so far.
    public consuming func finished() -> Ruleset {
        var elements = elements
        let tables = IPFamily.allCases.map { family in
            let fixed = SetID.Role.allCases.filter { !$0.hasSlots }.map { SetID(family, $0) }
            let slotted = elements.keys.filter { $0.family == family && $0.role.hasSlots }.sorted()
            let sets = (fixed + slotted).map { set in
                (definition: set.definition, elements: Self.distinct(elements.removeValue(forKey: set) ?? []))
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
        let sorted = elements.sorted { $0.0 < $1.0 }
        var result: [(ElementKey, ElementValue)] = []
        result.reserveCapacity(sorted.count)
        for element in sorted where element.0 != result.last?.0 { result.append(element) }
        return result
    }
}
