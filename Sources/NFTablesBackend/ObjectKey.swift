public import NetAddress
public import NFTables

/// Names one kernel object of ours. What is found in our tables and has no place in the layout gets a name too, so
/// that it can be removed.
public enum ObjectKey: Hashable, Sendable {
    case table(IPFamily)
    case chain(IPFamily, String)
    /// All rules of a chain whose rules are fixed.
    case rules(IPFamily, String)
    case set(IPFamily, String)
    /// The rule that draws from a map of endpoints.
    case pickingRule(SetID)
    /// A rule that somebody else put into a picking chain, by its handle.
    case strayRule(IPFamily, String, UInt64)
    case element(SetID, ElementKey)

    public var family: IPFamily {
        switch self {
        case .table(let family), .chain(let family, _), .rules(let family, _), .set(let family, _),
            .strayRule(let family, _, _):
            family
        case .pickingRule(let set), .element(let set, _): set.family
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
