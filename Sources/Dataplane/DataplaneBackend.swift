public import ServicePlan

/// One way to turn plans into kernel state.
///
/// Everything up to the difference is pure; only `observe`, `apply` and `removeAll` touch the kernel. A backend is used
/// by one task at a time.
public protocol DataplaneBackend: ~Copyable {
    /// Names one kernel object of ours.
    associatedtype Key: Hashable & Sendable
    /// What that object holds.
    associatedtype Value: Hashable & Sendable

    /// The name on the command line.
    static var name: String { get }

    /// The objects that are there whatever the services are.
    func skeleton() -> Fragment<Key, Value>

    /// The objects that one service needs. Services may share some.
    func fragment(for service: PlannedService) -> Fragment<Key, Value>

    /// Roughly how many objects one service needs.
    static func expectedObjects(of service: PlannedService) -> Int

    /// Makes the state want what a service needs now, and not what it needed before; nil for nothing. The one
    /// implementation is part of the protocol so that it is compiled for each backend's keys.
    func exchange(_ old: PlannedService?, for new: PlannedService?, in state: inout DeltaTracker<Key, Value>)

    /// Learns everything of ours that the kernel has.
    mutating func observe(into state: inout DeltaTracker<Key, Value>) throws(BackendError)

    /// Makes the kernel match, all of it or nothing where the kernel can do that, and notes it in the state.
    mutating func apply(_ state: inout DeltaTracker<Key, Value>) throws(BackendError) -> ChangeSummary

    /// How long the kernel has worked on transactions of `apply` so far.
    var transactionTime: Duration { get }

    /// How soon something that was left in the kernel must be looked at again, as long as there is something such; nil if
    /// there is nothing.
    var attentionPeriod: Duration? { get }

    /// Looks at what was left in the kernel, and finishes what can be finished now.
    mutating func attend(to state: inout DeltaTracker<Key, Value>) throws(BackendError)

    /// The most time that may pass between two full comparisons, where the kernel does not tell of others' changes; nil
    /// where it does.
    static var longestTrust: Duration? { get }

    /// Whether `apply` does all or nothing. Where it does not, what was done of a change that is refused must be looked at.
    static var isAtomic: Bool { get }

    /// Removes everything of ours and nothing else.
    mutating func removeAll() throws(BackendError) -> ChangeSummary

    /// Begins to listen for changes that others make to what is ours.
    ///
    /// - Returns: the descriptor that becomes readable when there is something to hear, for as long as the backend lives;
    ///   nil if the kernel does not tell.
    mutating func startWatching() throws(BackendError) -> Int32?

    /// What others have changed, or may have changed, of ours since the last call.
    mutating func heardChanges() throws(BackendError) -> [ForeignChange]
}

extension DataplaneBackend where Self: ~Copyable {
    /// Some for each address and two for each of its endpoints.
    public static func expectedObjects(of service: PlannedService) -> Int {
        service.frontends.reduce(0) { $0 + $1.treatment.targets.count * 2 + 4 }
    }

    @inlinable
    public func exchange(_ old: PlannedService?, for new: PlannedService?, in state: inout DeltaTracker<Key, Value>) {
        switch (old, new) {
        case (nil, nil): break
        case (nil, let new?): state.want(fragment(for: new))
        case (let old?, nil): state.unwant(fragment(for: old))
        case (let old?, let new?): state.exchange(fragment(for: old), for: fragment(for: new))
        }
    }

    public var transactionTime: Duration { .zero }
    public var attentionPeriod: Duration? { nil }
    public mutating func attend(to state: inout DeltaTracker<Key, Value>) throws(BackendError) {}
    public static var longestTrust: Duration? { nil }
    public static var isAtomic: Bool { true }
    public mutating func startWatching() throws(BackendError) -> Int32? { nil }
    public mutating func heardChanges() throws(BackendError) -> [ForeignChange] { [] }
}

/// A change that somebody else made to what is ours.
public struct ForeignChange: Hashable, Sendable {
    /// Who did it, where the kernel says so.
    public var processName: String?
    public var processID: UInt32?

    public init(processName: String?, processID: UInt32?) {
        self.processName = processName
        self.processID = processID
    }
}

extension ForeignChange: CustomStringConvertible {
    /// `nft (4711)`, or `somebody`.
    public var description: String {
        guard let processName else { return "somebody" }
        return processName + (processID.map { " (\($0))" } ?? "")
    }
}

/// The kernel objects of one service, or of the skeleton.
public struct Fragment<Key: Hashable & Sendable, Value: Hashable & Sendable>: Sendable {
    public var objects: [(key: Key, value: Value)]

    @inlinable
    public init(_ objects: [(key: Key, value: Value)] = []) { self.objects = objects }
}

/// What was changed, for people.
public struct ChangeSummary: Hashable, Sendable {
    public var added = 0
    public var changed = 0
    public var removed = 0
    /// What UDP flows must know of it.
    public var udp = UDPChanges()

    public init(added: Int = 0, changed: Int = 0, removed: Int = 0) {
        self.added = added
        self.changed = changed
        self.removed = removed
    }

    /// Whether nothing was changed.
    public var isEmpty: Bool { added + changed + removed == 0 }
}
