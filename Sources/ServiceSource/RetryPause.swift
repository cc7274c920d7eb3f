/// How long to wait before what failed is tried again: twice as long after each failure in a row, up to a longest wait,
/// half of it left to chance so that what failed together, on one node or on many, is not tried again together.
public struct RetryPause: Hashable, Sendable {
    private let first: Duration
    private let longest: Duration
    /// How many times in a row it failed.
    public private(set) var failures = 0

    public init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// It failed once more.
    ///
    /// - Parameter jitter: from 0 up to 1, drawn anew each time.
    /// - Returns: how long to wait now.
    public mutating func failed(jitter: Double) -> Duration {
        failures = min(failures + 1, 64)
        let doubled = first * Double(UInt64(1) << UInt64(min(failures - 1, 20)))
        return min(doubled, longest) * (0.5 + 0.5 * min(max(jitter, 0), 1))
    }

    public mutating func succeeded() { failures = 0 }
}
