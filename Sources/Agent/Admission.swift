public import ServiceModel

/// Holds back services that the backend cannot serve as they are defined. Such a service keeps what it was before; one
/// that is new is left out.
public struct Admission: Sendable {
    private let refusal: @Sendable (Service) -> String?
    /// Why services are held back now.
    public private(set) var reasons: [ServiceName: String] = [:]

    /// - Parameter refusal: why a service cannot be served; nil if it can.
    public init(_ refusal: @escaping @Sendable (Service) -> String? = { _ in nil }) { self.refusal = refusal }

    /// The changes without those that are held back.
    public mutating func admit(_ changes: [ServiceName: Service?]) -> [ServiceName: Service?] {
        var admitted = changes
        for (name, service) in changes {
            reasons[name] = service.flatMap(refusal)
            if reasons[name] != nil { admitted[name] = nil }
        }
        return admitted
    }
}
