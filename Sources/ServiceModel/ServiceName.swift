/// The name of a service: unique within its namespace.
public struct ServiceName: Hashable, Sendable {
    /// A DNS label (RFC 1123); `default` if a definition gives none.
    public let namespace: String
    /// A DNS label.
    public let name: String

    /// A name from parts that are already known to be DNS labels.
    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }
}

extension ServiceName: CustomStringConvertible {
    /// `namespace/name`.
    public var description: String { namespace + "/" + name }
}

extension ServiceName: Comparable {
    public static func < (left: ServiceName, right: ServiceName) -> Bool {
        left.namespace != right.namespace ? left.namespace < right.namespace : left.name < right.name
    }
}
