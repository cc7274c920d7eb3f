public import NetAddress
public import NFTables

/// Names one kernel object of ours. What is found in our tables and has no place in the layout gets a name too, so
/// that it can be removed.
///
/// Nearly all keys are elements, which are kept inline and copied as plain bytes; the others are boxed.
public enum ObjectKey: Hashable, Sendable {
    case element(ElementKey, SetID)
    indirect case table(IPFamily)
    indirect case chain(IPFamily, String)
    /// All rules of a chain whose rules are fixed.
    indirect case rules(IPFamily, String)
    indirect case set(IPFamily, String)
    /// A rule that comes and goes with services.
    indirect case sharedRule(SharedRule)
    /// A rule that somebody else put into a chain of such rules, by its handle.
    indirect case strayRule(IPFamily, String, UInt64)

    public var family: IPFamily {
        switch self {
        case .table(let family), .chain(let family, _), .rules(let family, _), .set(let family, _),
            .strayRule(let family, _, _):
            family
        case .sharedRule(let rule): rule.family
        case .element(_, let set): set.family
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .element(let key, let set): hasher.combine(key.folded &+ set.folded)
        case .table(let family): hasher.combine(family)
        case .chain(let family, let name), .rules(let family, let name), .set(let family, let name),
            .strayRule(let family, let name, _):
            hasher.combine(family)
            hasher.combine(name)
        case .sharedRule(let rule): hasher.combine(rule)
        }
    }
}

/// What an object holds.
public enum ObjectValue: Hashable, Sendable {
    case element(ElementValue)
    indirect case table(Table)
    indirect case chain(Chain)
    /// Nil stands for a set that has a form that no set of ours has.
    indirect case set(SetDefinition?)
    indirect case rules([Rule])
}
