public import ServiceModel
public import ServicePlan

/// Holds back services that the backend cannot serve as they are defined. Such a service keeps what it was before; one
/// that is new is left out.
public struct Admission: Sendable {
    private let refusal: @Sendable (Service, NodeFacts) -> String?
    private var held: [ServiceName: (service: Service, reason: String)] = [:]
    /// Why services are held back now.
    public var reasons: [ServiceName: String] { held.mapValues(\.reason) }

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
            held[name] = service.flatMap { service in refusal(service, node).map { (service, $0) } }
            if held[name] != nil { admitted[name] = nil }
        }
        return admitted
    }

    /// The services that were held back, and are not on a node as it is now.
    public mutating func readmit(on node: NodeFacts) -> [ServiceName: Service?] {
        admit(held.mapValues { .some($0.service) }, on: node)
    }
}
