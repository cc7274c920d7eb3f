internal import Dataplane
internal import NFTables
internal import Netlink
internal import RulesetAccess

// Elements that are asked for by their keys, where reading the whole set would take longer.

extension NFTablesBackend {
    /// Asks for single elements, which may be there or not.
    mutating func lookUp(
        _ keys: [ElementKey], of set: SetID, into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) {
        let definition = set.definition
        for index in keys.indices {
            _ = try read { (socket) throws(NetlinkError) in
                try socket.elements(keys[index...index], of: definition) { element in
                    state.observe(.element(element.key, set), .element(element.value))
                }
            }
        }
    }

    /// Whether a large set has the elements that it should have, and no others, though maybe with other values: they are
    /// then observed. As many must be there as should be, and each of these; then there is no room for others.
    ///
    /// - Parameter count: how many elements the kernel says there are, if it does (Linux 6.16).
    /// - Returns: false if that is not so, or not known; nothing is observed then.
    mutating func hasNoOthers(
        _ set: SetID, count: UInt32?, into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) -> Bool {
        guard let count, count > largestRead, set.role.canBeAskedFor else { return false }
        var keys: [ElementKey] = []
        keys.reserveCapacity(Int(count))
        state.forEachDesired { key, _ in
            if case .element(let key, set) = key { keys.append(key) }
        }
        guard keys.count == Int(count) else { return false }
        let definition = set.definition
        var others: [ElementKey: ElementValue] = [:]
        let areThere = try read { (socket) throws(NetlinkError) in
            others = [:]
            return try socket.elements(keys[...], of: definition) { element in
                if state[.element(element.key, set)] != .element(element.value) { others[element.key] = element.value }
            }
        }
        guard areThere else { return false }
        state.observeDesired { key in
            if case .element(let key, set) = key { others[key] == nil } else { false }
        }
        for (key, value) in others { state.observe(.element(key, set), .element(value)) }
        return true
    }
}
