/// Something in a definition that a backend does not do.
public struct BackendLimit: Hashable, Sendable {
    /// Whether the definition is refused, because doing it in another way would surprise; else it is a warning.
    public let isRefused: Bool
    /// One sentence with the way out.
    public let message: String

    public init(isRefused: Bool, message: String) {
        self.isRefused = isRefused
        self.message = message
    }
}
