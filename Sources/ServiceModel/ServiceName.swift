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

extension ServiceName {
    /// A name from a text of the form `namespace/name`, or `name` in the namespace `default`; nil if a part is not a DNS
    /// label.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, parts.allSatisfy(Self.isLabel), let name = parts.last else { return nil }
        self.init(namespace: parts.count == 2 ? parts[0] : "default", name: name)
    }

    /// A name from its parts as UTF-8; nil if one is not a DNS label.
    package init?(namespace: ArraySlice<UInt8>, name: ArraySlice<UInt8>) {
        guard namespace.withUnsafeBufferPointer(NameSyntax.isLabel), name.withUnsafeBufferPointer(NameSyntax.isLabel)
        else { return nil }
        self.init(
            namespace: String(decoding: namespace, as: UTF8.self), name: String(decoding: name, as: UTF8.self))
    }

    private static func isLabel(_ text: String) -> Bool {
        var text = text
        return text.withUTF8(NameSyntax.isLabel)
    }
}
