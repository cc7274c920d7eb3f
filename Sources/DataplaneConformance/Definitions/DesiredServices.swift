public import Dataplane
public import DataplaneTestKit
public import ServiceModel
public import ServicePlan

/// Services on their way to the kernel by one backend.
public struct DesiredServices<Backend: NodeBackend & SendableMetatype & ~Copyable>: Sendable {
    public var services: [Service]
    public var node: NodeFacts
    public var masqueradeBit: Int

    public init(services: [Service], node: NodeFacts = NodeFacts(nodeName: "node-a"), masqueradeBit: Int = 14) {
        self.services = services
        self.node = node
        self.masqueradeBit = masqueradeBit
    }

    public var options: LayoutOptions { LayoutOptions(node: node, masqueradeBit: masqueradeBit) }

    public var plans: ServicePlans { ServicePlans(services, node: node) }

    /// A program that has just been started and has looked at the namespace's kernel.
    public func observing<Result: Sendable>(
        in namespace: NetworkNamespace, _ body: @Sendable (inout Reconciliation<Backend>) throws -> Result
    ) throws -> Result {
        try namespace.run {
            var reconciliation = Reconciliation(Backend(options: options), plans: plans)
            try reconciliation.observe()
            return try body(&reconciliation)
        }
    }

    /// Makes the namespace's kernel match.
    @discardableResult
    public func apply(in namespace: NetworkNamespace) throws -> ChangeSummary {
        try observing(in: namespace) { try $0.apply() }
    }

    /// What `apply` would change now.
    public func differences(in namespace: NetworkNamespace) throws -> [String] {
        try observing(in: namespace) {
            Backend.differences(in: $0.state).map { "\($0.change == .add ? "+" : "-") \($0.object)" }
        }
    }
}
