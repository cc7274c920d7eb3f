internal import Dataplane
internal import NFTables
internal import Netlink
internal import RulesetAccess

// Reading large sets takes the kernel time quadratic in their size. What is known of them from before, and cannot have
// changed since, is not read again.

extension NFTablesBackend {
    /// Notes what a transaction has made of our tables: they are now as they should be.
    ///
    /// - Parameter changes: nil if there was nothing to change.
    mutating func record(_ changes: Changes?, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>) {
        guard record != nil else { return }
        // Where something is left in place that should not be, nobody knows what there is.
        guard let generation = session.generation, !state.keepsSurplus else { return isRecordCurrent = false }
        if isRecordCurrent, changes?.familiesToRebuild.isEmpty ?? true {
            if let changes { record?.note(changes) }
        } else {
            record?.note(all: state)
        }
        record?.generation = generation
        isRecordCurrent = true
    }

    /// Notes that the ruleset has got another number from somebody who has changed nothing of ours.
    mutating func recordGeneration() {
        if isRecordCurrent, let generation = session.generation { record?.generation = generation }
    }

    /// What is known of our elements without reading them: at the first look, what was noted before. Later ones are there to
    /// find what nobody expects, and read everything.
    mutating func believed(
        at generation: UInt32, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) -> BelievedElements {
        guard record == nil, let path = layout.options.recordPath,
            let cookie = try read({ (socket) throws(NetlinkError) in socket.namespaceCookie })
        else { return BelievedElements() }
        record = RulesetRecord(path: path, namespace: cookie)
        guard record?.generation == generation else { return BelievedElements() }
        return record?.compare(with: state) ?? BelievedElements()
    }
}

extension RulesetRecord {
    fileprivate func note(_ changes: Changes) {
        generation = nil
        let sketch = sketch
        changes.obsoleteElements.forEach { element, set in
            if set.role.isRecorded { sketch.remove(SketchItem(element.0, element.1, of: set, seed: sketch.seed)) }
        }
        changes.elements.forEach { element, set in
            if set.role.isRecorded { sketch.add(SketchItem(element.0, element.1, of: set, seed: sketch.seed)) }
        }
    }

    fileprivate func note(all state: borrowing DeltaTracker<ObjectKey, ObjectValue>) {
        generation = nil
        sketch.removeAll()
        sketch.add(state)
    }

    /// What the record says of the elements that should be there, and of those that should not.
    fileprivate func compare(with state: borrowing DeltaTracker<ObjectKey, ObjectValue>) -> BelievedElements? {
        let memory = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: ElementSketch.wordCount)
        memory.initialize(repeating: 0)
        defer { memory.deallocate() }
        let desired = ElementSketch(memory, seed: sketch.seed)
        var counts = desired.add(state)
        guard let items = desired.differences(from: sketch) else { return nil }
        var doubts: [SetID: Set<ElementKey>] = [:]
        for item in items {
            guard let (key, set) = item.element else { return nil }
            doubts[set, default: []].insert(key)
            counts[set] = nil
        }
        return BelievedElements(doubts: doubts, counts: counts)
    }
}

extension ElementSketch {
    /// Adds everything that should be there, and tells how many elements of each set that is.
    @discardableResult
    fileprivate func add(_ state: borrowing DeltaTracker<ObjectKey, ObjectValue>) -> [SetID: Int] {
        var counts: [SetID: Int] = [:]
        state.forEachDesired { key, value in
            guard case .element(let key, let set) = key, case .element(let value) = value, set.role.isRecorded else {
                return
            }
            add(SketchItem(key, value, of: set, seed: seed))
            counts[set, default: 0] += 1
        }
        return counts
    }
}

/// What is known of the elements of our sets before any is read.
struct BelievedElements {
    /// The elements that may not be as they should, by set: only these are asked for. Nil if nothing is known.
    private var doubts: [SetID: Set<ElementKey>]?
    /// How many elements a set has that is believed to be as it should.
    private var counts: [SetID: Int] = [:]
    /// The sets of which this has been believed.
    private(set) var trusted: Set<SetID> = []
    /// Whether the kernel has proved any of it wrong. Then nothing of it is worth anything.
    private(set) var isWrong = false

    /// Nothing.
    init() {}

    fileprivate init(doubts: [SetID: Set<ElementKey>], counts: [SetID: Int]) {
        self.doubts = doubts
        self.counts = counts
    }

    /// Whether everything is known to be as it should, and was there to be believed.
    var isExact: Bool { doubts?.isEmpty == true && !isWrong && counts.keys.allSatisfy(trusted.contains) }

    /// The elements of a set to ask for, while all others are believed; nil if the whole set must be read.
    ///
    /// - Parameter count: how many elements the kernel says there are, if it does.
    mutating func trust(_ set: SetID, count: UInt32?) -> [ElementKey]? {
        guard let doubts, set.role.isRecorded else { return nil }
        let doubted = doubts[set] ?? []
        if doubted.isEmpty, let count, Int(count) != counts[set] ?? 0 {
            isWrong = true
            return nil
        }
        trusted.insert(set)
        return Array(doubted)
    }

    /// Counts as observed what is believed.
    func confirm(in state: inout DeltaTracker<ObjectKey, ObjectValue>) {
        guard let doubts, !trusted.isEmpty else { return }
        state.observeDesired { key in
            guard case .element(let key, let set) = key, trusted.contains(set) else { return false }
            return !(doubts[set]?.contains(key) ?? false)
        }
    }
}

extension SetID.Role {
    /// Whether elements are noted for the next start.
    var isRecorded: Bool {
        // The next process numbers rates on its own: the same set has another ID there.
        canBeAskedFor && self != .rateLimits
    }

    /// Whether elements come and go by transactions alone, and can be asked for one by one.
    var canBeAskedFor: Bool {
        // Some kernels delete elements that count no connection.
        !isMemory && !holdsRanges && self != .connectionLimits
    }
}
