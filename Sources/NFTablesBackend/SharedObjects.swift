internal import NFTables
internal import Synchronization

/// The map for each number of slots and the rule that draws from it, made once: every service with so many slots
/// shares them.
final class SlotObjects: Sendable {
    private let known = Mutex<[SetID: [(key: ObjectKey, value: ObjectValue)]]>([:])

    /// The objects that a service with elements in this map needs besides them.
    func objects(for set: SetID) -> [(key: ObjectKey, value: ObjectValue)] {
        known.withLock { known in
            if let objects = known[set] { return objects }
            var objects: [(key: ObjectKey, value: ObjectValue)] = [(.set(set.family, set.name), .set(set.definition))]
            if let rule = set.pickingRule { objects.append((.pickingRule(set), .rules([rule]))) }
            known[set] = objects
            return objects
        }
    }
}
