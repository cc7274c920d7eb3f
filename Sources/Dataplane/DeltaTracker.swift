/// Holds what should be and what is, and knows at any moment which keys differ.
///
/// Desired values come from fragments, which may share keys: each is counted by its users and goes when the last one
/// goes. Once an observation is complete and settled, a change costs what it touches and nothing more.
public struct DeltaTracker<Key: Hashable & Sendable, Value: Hashable & Sendable>: Sendable {
    private enum State: UInt8 {
        /// Not there.
        case missing
        /// There, with the desired value.
        case same
        /// There, with the value in `stale`.
        case different
    }

    private struct Entry {
        var value: Value
        var users: UInt32
        var state: State
    }

    private var desired: [Key: Entry] = [:]
    /// What is there although nobody wants it.
    private var surplus: [Key: Value] = [:]
    /// What is there instead of the desired value.
    private var stale: [Key: Value] = [:]
    /// The keys that may differ; nil if all of them may, as before the first observation.
    private var pending: Set<Key>?

    public init() {}

    /// Makes room for so many desired keys, so that a bulk load does not rehash.
    public mutating func reserveCapacity(_ count: Int) { desired.reserveCapacity(count) }

    /// How many keys are desired.
    public var desiredCount: Int { desired.count }

    // MARK: - What should be

    /// Adds a user of a key. Where users disagree about the value, the last one is right.
    public mutating func want(_ key: Key, _ value: Value) {
        if let index = desired.index(forKey: key) {
            desired.values[index].users += 1
            guard desired.values[index].value != value else { return }
            change(index, key, to: value)
        } else {
            desired[key] = Entry(value: value, users: 1, state: claim(key, value))
            pending?.insert(key)
        }
    }

    /// The state of a key that becomes desired.
    private mutating func claim(_ key: Key, _ value: Value) -> State {
        guard !surplus.isEmpty, let there = surplus.removeValue(forKey: key) else { return .missing }
        if there == value { return .same }
        stale[key] = there
        return .different
    }

    private mutating func change(_ index: Dictionary<Key, Entry>.Index, _ key: Key, to value: Value) {
        switch desired.values[index].state {
        case .missing: break
        case .same:
            stale[key] = desired.values[index].value
            desired.values[index].state = .different
        case .different:
            guard stale[key] == value else { break }
            stale[key] = nil
            desired.values[index].state = .same
        }
        desired.values[index].value = value
        pending?.insert(key)
    }

    /// Takes a user of a key away; the key goes with its last user.
    public mutating func unwant(_ key: Key) {
        guard let index = desired.index(forKey: key) else { return }
        guard desired.values[index].users == 1 else {
            desired.values[index].users -= 1
            return
        }
        let entry = desired.remove(at: index).value
        switch entry.state {
        case .missing: break
        case .same: surplus[key] = entry.value
        case .different: surplus[key] = stale.removeValue(forKey: key)
        }
        pending?.insert(key)
    }

    /// The desired value of a key.
    public subscript(key: Key) -> Value? { desired[key]?.value }

    /// Adds a user to every object of a fragment.
    public mutating func want(_ fragment: Fragment<Key, Value>) {
        for (key, value) in fragment.objects { want(key, value) }
    }

    /// Takes a user away from every object of a fragment.
    public mutating func unwant(_ fragment: Fragment<Key, Value>) {
        for (key, _) in fragment.objects { unwant(key) }
    }

    // MARK: - What is

    /// Starts to learn anew what is there: from now on everything counts as missing until it is observed.
    public mutating func beginObservation() {
        for index in desired.values.indices { desired.values[index].state = .missing }
        surplus = [:]
        stale = [:]
        pending = nil
    }

    /// Learns that a key is there. False if it was seen before in this observation: the list is then not to be trusted.
    @discardableResult
    public mutating func observe(_ key: Key, _ value: Value) -> Bool {
        guard let index = desired.index(forKey: key) else { return surplus.updateValue(value, forKey: key) == nil }
        guard desired.values[index].state == .missing else { return false }
        if desired.values[index].value == value {
            desired.values[index].state = .same
        } else {
            desired.values[index].state = .different
            stale[key] = value
        }
        return true
    }

    /// Notes that all changes have been carried out: what should be is what is.
    public mutating func settle() {
        if let pending {
            for key in pending {
                if let index = desired.index(forKey: key) { desired.values[index].state = .same }
            }
        } else {
            for index in desired.values.indices { desired.values[index].state = .same }
        }
        surplus = [:]
        stale = [:]
        pending = []
    }

    // MARK: - The difference

    /// Calls a closure with each key that differs, its desired and its observed value. The order is not fixed.
    public func forEachDifference(_ body: (Key, _ desired: Value?, _ observed: Value?) -> Void) {
        func visit(_ key: Key, _ entry: Entry) {
            switch entry.state {
            case .same: break
            case .missing: body(key, entry.value, nil)
            case .different: body(key, entry.value, stale[key])
            }
        }
        if let pending {
            for key in pending { if let entry = desired[key] { visit(key, entry) } }
        } else {
            for (key, entry) in desired { visit(key, entry) }
        }
        for (key, value) in surplus { body(key, nil, value) }
    }

    /// Calls a closure with each desired key and value, whether or not it is there. The order is not fixed.
    public func forEachDesired(_ body: (Key, Value) -> Void) {
        for (key, entry) in desired { body(key, entry.value) }
    }

    /// Whether nothing differs.
    public var isSettled: Bool {
        var isSettled = true
        forEachDifference { _, _, _ in isSettled = false }
        return isSettled
    }
}
