/// One line of a diff: an object, or one rule of a chain, that is missing or too much.
public struct DifferenceLine: Hashable, Sendable {
    public enum Change: String, Hashable, Sendable {
        case add
        case remove
    }

    public let change: Change
    /// The object in the words of the backend's stock tool, as one would write it in a command.
    public let object: String

    public init(change: Change, object: String) {
        self.change = change
        self.object = object
    }
}
