public import Dataplane
internal import NetAddress
internal import NFTables

extension NFTablesBackend {
    /// The differences between what should be and what is, object by object, in a fixed order. A changed object has two
    /// lines: what is there, and what should be.
    public static func differences(in state: borrowing DeltaTracker<ObjectKey, ObjectValue>) -> [DifferenceLine] {
        var found: [(sorting: String, lines: [DifferenceLine])] = []
        state.forEachDifference { key, desired, observed in
            found.append((key.sorting, lines(key, desired, observed)))
        }
        return found.sorted { $0.sorting < $1.sorting }.flatMap(\.lines)
    }

    private static func lines(_ key: ObjectKey, _ desired: ObjectValue?, _ observed: ObjectValue?) -> [DifferenceLine] {
        if case .rules(let family, let chain) = key {
            return ruleLines(rules(observed), rules(desired), "\(family.nftName) \(Layout.table) \(chain)")
        }
        return [
            observed.map { DifferenceLine(change: .remove, object: key.text($0)) },
            desired.map { DifferenceLine(change: .add, object: key.text($0)) },
        ].compactMap { $0 }
    }

    private static func rules(_ value: ObjectValue?) -> [Rule] {
        if case .rules(let rules) = value { rules } else { [] }
    }

    private static func ruleLines(_ old: [Rule], _ new: [Rule], _ chain: String) -> [DifferenceLine] {
        new.difference(from: old).map { change in
            switch change {
            case .remove(_, let rule, _): DifferenceLine(change: .remove, object: "rule \(chain) \(rule)")
            case .insert(_, let rule, _): DifferenceLine(change: .add, object: "rule \(chain) \(rule)")
            }
        }
    }
}

extension ObjectKey {
    /// Outer objects before inner ones, the same kinds together.
    fileprivate var sorting: String {
        switch self {
        case .table(let family): "\(family) 0"
        case .chain(let family, let name): "\(family) 1 \(name)"
        case .set(let family, let name): "\(family) 2 \(name)"
        case .rules(let family, let name): "\(family) 3 \(name)"
        case .sharedRule(let rule): "\(rule.family) 3 \(rule.chain) \(rule.rule)"
        case .strayRule(let family, let name, let handle): "\(family) 3 \(name) stray \(handle)"
        case .element(let key, let set): "\(set.family) 4 \(set.name) \(set.definition.text(of: key))"
        }
    }

    /// The object as one would write it in nft's language.
    fileprivate func text(_ value: ObjectValue) -> String {
        let place = "\(family.nftName) \(Layout.table)"
        switch (self, value) {
        case (.table, .table(let table)):
            return "table \(place)" + (table.flags == 0 ? "" : " { flags \(table.flagNames.joined(separator: ",")); }")
        case (.chain(_, let name), .chain(let chain)):
            return "chain \(place) \(name)" + (chain.hook.map { " { \(Self.text($0)) }" } ?? "")
        case (.set(_, let name), .set(let definition)):
            return definition.map { "\($0.reference) { \($0.typeText) }" } ?? "set \(place) \(name)"
        case (.sharedRule(let rule), .rules(let rules)): return "rule \(place) \(rule.chain) \(Self.text(rules))"
        case (.strayRule(_, let name, _), .rules(let rules)): return "rule \(place) \(name) \(Self.text(rules))"
        case (.element(let key, let set), .element(let value)):
            return "element \(place) \(set.name) { \(set.definition.text(of: key, value)) }"
        default: return "\(self)"
        }
    }

    private static func text(_ rules: [Rule]) -> String { rules.map(\.description).joined(separator: "; ") }

    private static func text(_ hook: Chain.Hook) -> String {
        let policy = hook.acceptsByDefault ? "accept" : "drop"
        return "type \(hook.kind.rawValue) hook \(hook.point) priority \(hook.priority); policy \(policy);"
    }
}
