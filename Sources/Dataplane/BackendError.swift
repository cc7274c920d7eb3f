/// Why a backend could not do what it was asked for. The kind decides the exit code (interface, section 1).
public struct BackendError: Error, Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// The caller lacks the privilege.
        case notPermitted
        /// The kernel lacks something that the backend cannot do without.
        case unsupported
        /// The kernel refused a change; nothing of it was done.
        case refused
        /// Something there is not ours and in the way.
        case foreign
    }

    public let kind: Kind
    /// One sentence that names the object and the reason.
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

extension BackendError: CustomStringConvertible {
    public var description: String { message }
}
