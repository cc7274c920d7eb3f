internal import NetAddress
public import ServiceModel

/// The plans of all services of a node while services come, change and go: the work for a change goes with the change.
///
/// After any sequence of changes the plans are those that ``ServicePlans`` makes of the same services at once, but for
/// the numbers of pools in the rare case that two names want the same one: then who came first keeps it.
public struct LivePlans: Sendable {
    /// What became of one service's plan.
    public struct Change: Hashable, Sendable {
        public let name: ServiceName
        /// Nil for a service that was not there.
        public let old: PlannedService?
        /// Nil for a service that is gone.
        public let new: PlannedService?
    }

    private struct Entry: Sendable {
        var service: Service
        /// What the service would get if nobody else wanted it.
        var wanted: PlannedService
        /// What it gets.
        var admitted: PlannedService
    }

    private var planner: ServicePlanner
    private var entries: [ServiceName: Entry] = [:]
    /// Who wants each frontend, oldest first: nearly always one.
    private var claimants: [FrontendClaims.Key: [ServiceName]] = [:]
    private var numbers = PoolNumbers()
    /// Frontends that services do not get, because older ones have them.
    private var lost: [ServiceName: [FrontendClaims.Conflict]] = [:]
    /// How many frontends all services have together.
    public private(set) var frontendCount = 0

    public init(node: NodeFacts) { planner = ServicePlanner(node: node) }

    public var serviceCount: Int { entries.count }

    /// The plan of a service as it stands.
    public subscript(name: ServiceName) -> PlannedService? { entries[name]?.admitted }

    /// The plans of all services, in no order.
    public var all: some Collection<PlannedService> { entries.values.lazy.map(\.admitted) }

    /// The services as they were taken in, in no order.
    public var services: some Collection<Service> { entries.values.lazy.map(\.service) }

    /// All frontends that two services want, in order of the loser.
    public var conflicts: [FrontendClaims.Conflict] {
        lost.sorted { $0.key < $1.key }.flatMap(\.value)
    }

    /// Takes changed services in, nil for those that are gone, and tells which plans are others now: those of the changed
    /// services, and of others that gain or lose a frontend by it.
    public mutating func update(_ changes: [ServiceName: Service?]) -> [Change] {
        if changes.count == 1, case (let name, let service?)? = changes.first, let old = changeInPlace(service, name) {
            let new = entries[name]?.admitted
            return old == new ? [] : [Change(name: name, old: old, new: new)]
        }
        var touched: [ServiceName: PlannedService?] = [:]
        var disputed: Set<ServiceName> = []
        // What goes is let go first, so that who comes can have its numbers.
        for (name, _) in changes {
            touched[name] = .some(entries[name]?.admitted)
            if let entry = entries.removeValue(forKey: name) { release(entry, &disputed) }
        }
        for case (let name, let service?) in changes.sorted(by: { $0.key < $1.key }) {
            claim(service, as: name, &disputed)
        }
        for name in disputed where changes[name] == nil { touched[name] = .some(entries[name]?.admitted) }
        return touched.keys.sorted().compactMap { name in
            let old = touched[name] ?? nil
            settle(name)
            let new = entries[name]?.admitted
            frontendCount += (new?.frontends.count ?? 0) - (old?.frontends.count ?? 0)
            return old == new ? nil : Change(name: name, old: old, new: new)
        }
    }

    /// Plans everything anew for a node that is not as it was, and tells which plans are others now.
    public mutating func move(to node: NodeFacts) -> [Change] {
        guard node != planner.node else { return [] }
        planner = ServicePlanner(node: node)
        return update(entries.mapValues { $0.service })
    }

    /// What nearly always happens: a service changes that gets all that it wants, and wants the same addresses still. Nobody
    /// else is concerned then.
    ///
    /// - Returns: the plan before; nil if more must be looked at, and then nothing is done.
    private mutating func changeInPlace(_ service: Service, _ name: ServiceName) -> PlannedService? {
        guard let index = entries.index(forKey: name), lost.isEmpty || lost[name] == nil,
            entries.values[index].service.creationTimestamp == service.creationTimestamp
        else { return nil }
        var wanted = planner.plan(service)
        let old = entries.values[index].admitted
        guard wanted.takeNumbers(of: old), wanted.claimsTheSame(as: old) else { return nil }
        entries.values[index] = Entry(service: service, wanted: wanted, admitted: wanted)
        return old
    }

    private mutating func claim(_ service: Service, as name: ServiceName, _ disputed: inout Set<ServiceName>) {
        var wanted = planner.plan(service)
        wanted.claimNumbers(&numbers)
        entries[name] = Entry(service: service, wanted: wanted, admitted: wanted)
        for frontend in wanted.frontends {
            let key = FrontendClaims.Key(frontend)
            guard var rivals = claimants[key] else {
                claimants[key] = [name]
                continue
            }
            guard !rivals.contains(name) else { continue }
            disputed.formUnion(rivals)
            let place = rivals.firstIndex { rival in
                guard let other = entries[rival]?.service else { return true }
                return FrontendClaims.precedes(service, other)
            }
            rivals.insert(name, at: place ?? rivals.endIndex)
            claimants[key] = rivals
        }
    }

    private mutating func release(_ entry: Entry, _ disputed: inout Set<ServiceName>) {
        let name = entry.wanted.name
        entry.wanted.releaseNumbers(&numbers)
        for frontend in entry.wanted.frontends {
            let key = FrontendClaims.Key(frontend)
            guard var rivals = claimants[key] else { continue }
            rivals.removeAll { $0 == name }
            disputed.formUnion(rivals)
            claimants[key] = rivals.isEmpty ? nil : rivals
        }
    }

    /// Gives a service what it wants and is the oldest to want.
    private mutating func settle(_ name: ServiceName) {
        lost[name] = nil
        guard let entry = entries[name] else { return }
        // Nearly always it gets all, and both plans are then one and the same in memory.
        let getsAll = entry.wanted.frontends.allSatisfy { claimants[FrontendClaims.Key($0)]?.first == name }
        if getsAll, !entry.wanted.frontends.isEmpty {
            entries[name]?.admitted = entry.wanted
            return
        }
        var admitted = entry.wanted
        var conflicts: [FrontendClaims.Conflict] = []
        admitted.frontends.removeAll { frontend in
            guard let winner = claimants[FrontendClaims.Key(frontend)]?.first, winner != name else { return false }
            conflicts.append(.init(loser: name, winner: winner, frontend: frontend))
            return true
        }
        admitted.dropUnusedPools()
        entries[name]?.admitted = admitted
        if !conflicts.isEmpty { lost[name] = conflicts }
    }
}
