public import DataplaneTestKit
public import ServiceModel
public import ServicePlan

/// A backend as the conformance suite sees it: definitions go in, and what packets get shows what came of them.
///
/// Every call starts afresh, as a program does that was just started: what is there, it must find in the kernel.
public protocol SystemUnderTest: Sendable {
    /// Makes the namespace's kernel serve exactly these services.
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
