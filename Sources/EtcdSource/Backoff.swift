/// How long to wait after failures in a row: twice as long each time, up to a longest pause, half of it left to chance so
/// that many nodes do not come back at once.
struct Backoff {
    let first: Duration
    let longest: Duration
    private var next: Duration

    init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
        next = first
    }

    mutating func pause() -> Duration {
        defer { next = min(next * 2, longest) }
        return next / 2 + next * Double.random(in: 0..<0.5)
    }

    mutating func reset() { next = first }
}
