/// Holds what should be and what is, and knows at any moment which keys differ.
///
/// Desired values come from fragments, which may share keys: each is counted by its users and goes when the last one
/// goes. Once an observation is complete and settled, a change costs what it touches and nothing more.
///
/// Everything is inlinable, so that each backend gets code for its own keys: generic code would copy them through
/// function pointers, at several times the cost.
public struct DeltaTracker<Key: Hashable & Sendable, Value: Hashable & Sendable>: Sendable {
    @usableFromInline
    enum State: UInt8, Sendable {
        /// Not there.
        case missing
        /// There, with the desired value.
        case same
        /// There, with the value in `stale`.
        case different
    }

    @usableFromInline
    struct Entry: Sendable {
        @usableFromInline var value: Value
        /// It comes second, where it fits into the padding behind most values.
        @usableFromInline var state: State
        @usableFromInline var users: UInt32
        /// The epoch that `state` belongs to; in a later one the entry is in that epoch's common state.
        @usableFromInline var epoch: UInt32

        @inlinable
        init(value: Value, epoch: UInt32, state: State) {
            self.value = value
            self.state = state
            users = 1
            self.epoch = epoch
        }
    }

    @usableFromInline var desired = DenseTable<Key, Entry>()
    /// What is there although nobody wants it.
    @usableFromInline var surplus: [Key: Value] = [:]
    /// Whether what nobody wants is left alone for now: it is no difference, and is not forgotten.
    public var keepsSurplus = false
    /// What is there instead of the desired value.
    @usableFromInline var stale: [Key: Value] = [:]
    /// The keys that may differ; nil if all of them may, as before the first observation.
    @usableFromInline var pending: Set<Key>?
    /// An observation or a settlement starts a new epoch, in which every entry has the common state until it gets one of
    /// its own: neither has to visit them all.
    @usableFromInline var epoch: UInt32 = 0
    @usableFromInline var commonState = State.missing

    /// Nothing desired, nothing observed.
    @inlinable
    public init() {}

    /// Makes room for so many desired keys, so that a bulk load does not rehash.
    @inlinable
    public mutating func reserveCapacity(_ count: Int) { desired.reserveCapacity(count) }

    /// How many keys are desired.
    @inlinable public var desiredCount: Int { desired.count }

    @inlinable
    func state(_ entry: Entry) -> State { entry.epoch == epoch ? entry.state : commonState }

    @inlinable
    mutating func setState(_ state: State, at place: Int) {
        desired.entries[place].value.epoch = epoch
        desired.entries[place].value.state = state
    }

    // MARK: - What should be

    /// Adds a user of a key. Where users disagree about the value, the last one is right.
    @inlinable
    public mutating func want(_ key: Key, _ value: Value) {
        let (place, isNew) = desired.place(of: key, orAdd: Entry(value: value, epoch: epoch, state: .missing))
        if isNew {
            if !surplus.isEmpty { claim(place, key, value) }
            pending?.insert(key)
        } else {
            desired.entries[place].value.users += 1
            change(place, key, to: value)
        }
    }

    /// A key that becomes desired may be there already.
    @inlinable
    mutating func claim(_ place: Int, _ key: Key, _ value: Value) {
        guard let there = surplus.removeValue(forKey: key) else { return }
        if there == value {
            setState(.same, at: place)
        } else {
            stale[key] = there
            setState(.different, at: place)
        }
    }

    @inlinable
    mutating func change(_ place: Int, _ key: Key, to value: Value) {
        guard desired.entries[place].value.value != value else { return }
        switch state(desired.entries[place].value) {
        case .missing: break
        case .same:
            stale[key] = desired.entries[place].value.value
            setState(.different, at: place)
        case .different:
            guard stale[key] == value else { break }
            stale[key] = nil
            setState(.same, at: place)
        }
        desired.entries[place].value.value = value
        pending?.insert(key)
    }

    /// Takes a user of a key away; the key goes with its last user.
    @inlinable
    public mutating func unwant(_ key: Key) {
        guard let place = desired.place(of: key) else { return }
        guard desired.entries[place].value.users == 1 else {
            desired.entries[place].value.users -= 1
            return
        }
        let entry = desired.remove(at: place)
        switch state(entry) {
        case .missing: break
        case .same: surplus[key] = entry.value
        case .different: surplus[key] = stale.removeValue(forKey: key)
        }
        pending?.insert(key)
    }

    /// The desired value of a key.
    @inlinable public subscript(key: Key) -> Value? { desired.place(of: key).map { desired.entries[$0].value.value } }

    /// Adds a user to every object of a fragment.
    @inlinable
    public mutating func want(_ fragment: Fragment<Key, Value>) {
        for (key, value) in fragment.objects { want(key, value) }
    }

    /// Takes a user away from every object of a fragment.
    @inlinable
    public mutating func unwant(_ fragment: Fragment<Key, Value>) {
        for (key, _) in fragment.objects { unwant(key) }
    }

    /// Takes a user away from the objects of one fragment and adds one to those of another. What both have at the same
    /// place, from the start or from the end, is not touched: where one endpoint changed, that is nearly all.
    @inlinable
    public mutating func exchange(_ old: Fragment<Key, Value>, for new: Fragment<Key, Value>) {
        old.objects.withUnsafeBufferPointer { old in
            new.objects.withUnsafeBufferPointer { new in exchange(old, for: new) }
        }
    }

    @usableFromInline typealias Objects = UnsafeBufferPointer<(key: Key, value: Value)>

    @inlinable
    mutating func exchange(_ old: Objects, for new: Objects) {
        let shorter = min(old.count, new.count)
        var (head, tail) = (0, 0)
        while head < shorter, Self.isEqual(old, head, new, head) { head += 1 }
        while tail < shorter - head, Self.isEqual(old, old.count - 1 - tail, new, new.count - 1 - tail) { tail += 1 }
        guard old.count == new.count else {
            for index in head..<(old.count - tail) { unwant(old[index].key) }
            for index in head..<(new.count - tail) { want(new[index].key, new[index].value) }
            return
        }
        for index in head..<(old.count - tail) where old[index].key != new[index].key { unwant(old[index].key) }
        for index in head..<(new.count - tail) {
            if old[index].key != new[index].key {
                want(new[index].key, new[index].value)
            } else if old[index].value != new[index].value, let place = desired.place(of: new[index].key) {
                // The same user wants something else of it.
                change(place, new[index].key, to: new[index].value)
            }
        }
    }

    /// In place: a pair that is taken out of an array is copied.
    @inlinable
    static func isEqual(_ old: Objects, _ left: Int, _ new: Objects, _ right: Int) -> Bool {
        old[left].key == new[right].key && old[left].value == new[right].value
    }

    // MARK: - What is

    @inlinable
    mutating func startEpoch(_ state: State, forgetsSurplus: Bool = true) {
        if epoch == .max {
            // Once in four thousand million: entries of old epochs must not come to life again.
            for place in desired.entries.indices { desired.entries[place].value.epoch = 0 }
            epoch = 0
        }
        epoch += 1
        commonState = state
        // Small ones are kept, since they are filled again at the next change.
        if forgetsSurplus { surplus.removeAll(keepingCapacity: surplus.capacity < 100) }
        stale.removeAll(keepingCapacity: stale.capacity < 100)
    }

    /// Starts to learn anew what is there: from now on everything counts as missing until it is observed.
    @inlinable
    public mutating func beginObservation() {
        startEpoch(.missing)
        pending = nil
    }

    /// Learns that a key is there. False if it was seen before in this observation: the list is then not to be trusted.
    @inlinable
    @discardableResult
    public mutating func observe(_ key: Key, _ value: Value) -> Bool {
        guard let place = desired.place(of: key) else { return surplus.updateValue(value, forKey: key) == nil }
        guard state(desired.entries[place].value) == .missing else { return false }
        if desired.entries[place].value.value == value {
            setState(.same, at: place)
        } else {
            setState(.different, at: place)
            stale[key] = value
        }
        return true
    }

    /// Learns that the desired values of all keys are there for which a closure says so.
    @inlinable
    public mutating func observeDesired(where isThere: (Key) -> Bool) {
        for place in desired.entries.indices where isThere(desired.entries[place].key) { setState(.same, at: place) }
    }

    /// Notes that all changes have been carried out: what should be is what is.
    @inlinable
    public mutating func settle() {
        startEpoch(.same, forgetsSurplus: !keepsSurplus)
        var nothing = pending ?? []
        pending = nil
        nothing.removeAll(keepingCapacity: nothing.capacity < 100)
        pending = nothing
    }

    // MARK: - The difference

    /// Calls a closure with each key that differs, its desired and its observed value. The order is not fixed.
    @inlinable
    public func forEachDifference(_ body: (Key, _ desired: Value?, _ observed: Value?) -> Void) {
        func visit(_ key: Key, _ entry: Entry) {
            switch state(entry) {
            case .same: break
            case .missing: body(key, entry.value, nil)
            case .different: body(key, entry.value, stale[key])
            }
        }
        if let pending {
            for key in pending { if let place = desired.place(of: key) { visit(key, desired.entries[place].value) } }
        } else {
            for entry in desired.entries { visit(entry.key, entry.value) }
        }
        if !keepsSurplus { for (key, value) in surplus { body(key, nil, value) } }
    }

    /// Calls a closure with each desired key and value, whether or not it is there. The order is not fixed.
    @inlinable
    public func forEachDesired(_ body: (Key, Value) -> Void) {
        for entry in desired.entries { body(entry.key, entry.value.value) }
    }

    /// Whether nothing differs.
    @inlinable
    public var isSettled: Bool {
        var isSettled = true
        forEachDifference { _, _, _ in isSettled = false }
        return isSettled
    }
}
