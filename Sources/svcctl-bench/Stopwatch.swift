/// Measures parts and prints them as they are done.
struct Stopwatch {
    private let clock = ContinuousClock()
    private var total: Duration = .zero

    /// Runs a part, prints how long it took, and adds it to the total.
    mutating func measure<Result, Failure: Error>(
        _ name: String, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let start = clock.now
        let result = try body()
        let elapsed = clock.now - start
        total += elapsed
        Self.report(name, elapsed)
        return result
    }

    /// Prints the sum of all parts so far.
    func reportTotal(_ name: String) { Self.report(name, total) }

    private static func report(_ name: String, _ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        print("\(name) \(Double(nanoseconds) / 1000)")
    }
}
