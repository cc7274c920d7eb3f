public import DataplaneTestKit
public import ServiceModel
public import ServicePlan

/// A backend as the conformance suite sees it: definitions go in, and what packets get shows what came of them.
///
/// Every call starts afresh, as a program does that was just started: what is there, it must find in the kernel.
public protocol SystemUnderTest: Sendable {
    var abilities: Abilities { get }

    /// Makes the namespace's kernel serve exactly these services, and then ends UDP flows to endpoints that are gone.
    func apply(services: [Service], node: NodeFacts, in namespace: NetworkNamespace) throws

    /// What `apply` would change now, a line for each object; empty if nothing.
    func differences(services: [Service], node: NodeFacts, in namespace: NetworkNamespace) throws -> [String]

    /// Removes everything that `apply` has made, and nothing else.
    func removeAll(in namespace: NetworkNamespace) throws

    /// The kernel's state as text that is equal for equal states, however they came about: without handles, counters,
    /// and orders that mean nothing.
    func stateFingerprint(in namespace: NetworkNamespace) throws -> String

    /// Deletes a part of the kernel's state with other people's tools, as somebody might who does not know what it is
    /// for. Connections to services must then fail.
    func damage(in namespace: NetworkNamespace) throws
}

/// What a backend does, where not every backend does everything.
public struct Abilities: Sendable {
    public var schedulers: Set<Scheduler>
    public var restrictions: Set<Restriction>
    /// Whether all addresses of a service port share one memory of clients and one order of turns (semantics 36). Where
    /// they do not, each address has its own (semantics 39).
    public var addressesAreOne = true
    /// Which connections a segment ends that a server sends out of its window, unless connection tracking is told to be
    /// liberal (semantics 46).
    public var endedByStraySegments = EndedConnections.none
    /// Whether service addresses are the node's own: then all of their ports are refused that no service has, none can be an
    /// address of another interface, what was connected to one before it was a service's is not any more, node ports are
    /// served at the addresses that the node has when rules are made, and the node's own clients are seen as any of its
    /// addresses.
    public var addressesAreLocal = false
    /// Whether clients that are remembered may come back to an endpoint with weight 0.
    public var drainedAreRemembered = true
    /// Whether clients are remembered for as long as they have connections, also closed ones (semantics 39).
    public var connectionsAreRemembered = false

    public init(schedulers: Set<Scheduler> = [.random], restrictions: Set<Restriction> = []) {
        self.schedulers = schedulers
        self.restrictions = restrictions
    }

    /// Whether everything that services ask for can be had.
    func suffice(for services: [Service]) -> Bool {
        services.allSatisfy { schedulers.contains($0.scheduler) && restrictions.isSuperset(of: $0.restrictions) }
    }
}

/// Some connections to services.
public enum EndedConnections: Hashable, Sendable {
    case none
    /// Those to external addresses, which are masqueraded.
    case external
    case all
}

/// A way to restrict who may use a service, and how much of it.
public enum Restriction: Hashable, Sendable, CaseIterable {
    /// `allow` and `deny`.
    case sourceLists
    case maxConnections
    case maxConnectionsPerSource
    case newConnectionsPerSecond
}

extension Service {
    fileprivate var restrictions: Set<Restriction> {
        var restrictions: Set<Restriction> = []
        if !allowedSources.isEmpty || !deniedSources.isEmpty { restrictions.insert(.sourceLists) }
        if maxConnections != nil { restrictions.insert(.maxConnections) }
        if maxConnectionsPerSource != nil { restrictions.insert(.maxConnectionsPerSource) }
        if newConnectionsPerSecond != nil { restrictions.insert(.newConnectionsPerSecond) }
        return restrictions
    }
}

/// What should be: services, and the node that serves them.
public struct DesiredState: Hashable, Sendable {
    public var services: [Service]
    public var node: NodeFacts

    public init(_ services: [Service] = [], node: NodeFacts = .conformance()) {
        self.services = services
        self.node = node
    }
}

extension SystemUnderTest {
    func apply(_ state: DesiredState, in namespace: NetworkNamespace) throws {
        try apply(services: state.services, node: state.node, in: namespace)
    }

    func differences(_ state: DesiredState, in namespace: NetworkNamespace) throws -> [String] {
        try differences(services: state.services, node: state.node, in: namespace)
    }
}
