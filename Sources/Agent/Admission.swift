public import ServiceModel
public import ServicePlan

/// Holds back services that the backend cannot serve as they are defined. Such a service keeps what it was before; one
/// that is new is left out, and so is one that is served when the node becomes another on which it cannot be.
public struct Admission: Sendable {
    private struct Held {
        var service: Service
        var reason: String
        /// Whether it is the node that changed, so that nothing of the service stands.
        var isWithdrawn: Bool
    }

    private let refusal: @Sendable (Service, NodeFacts) -> String?
    private var held: [ServiceName: Held] = [:]

    /// Why services are held back now.
    public var reasons: [ServiceName: String] {
        held.mapValues { $0.isWithdrawn ? "\($0.reason) (none of it is served meanwhile)" : $0.reason }
    }

    /// What is held back now.
    public var heldBack: [Service] { held.values.map(\.service) }

    /// - Parameter refusal: why a service cannot be served; nil if it can.
    public init(_ refusal: @escaping @Sendable (Service, NodeFacts) -> String? = { _, _ in nil }) {
        self.refusal = refusal
    }

    /// The changes without those that are held back.
    public mutating func admit(_ changes: [ServiceName: Service?], on node: NodeFacts) -> [ServiceName: Service?] {
        var admitted = changes
        for (name, service) in changes {
            let isWithdrawn = held[name]?.isWithdrawn == true
            held[name] = service.flatMap { service in
                refusal(service, node).map { Held(service: service, reason: $0, isWithdrawn: isWithdrawn) }
            }
            if held[name] != nil { admitted[name] = nil }
        }
        return admitted
    }

    /// What changes because the node is another now: services that were held back and need not be any more; and nil for
    /// those that are served as they are and cannot be any more.
    public mutating func readmit(_ served: some Sequence<Service>, on node: NodeFacts) -> [ServiceName: Service?] {
        var changes = admit(held.mapValues { .some($0.service) }, on: node)
        for service in served where changes[service.name] == nil {
            guard let reason = refusal(service, node) else { continue }
            changes.updateValue(nil, forKey: service.name)
            let newer = held[service.name]
            held[service.name] = Held(
                service: newer?.service ?? service, reason: newer?.reason ?? reason, isWithdrawn: true)
        }
        return changes
    }
}
