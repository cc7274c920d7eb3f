internal import Agent
internal import ServiceSource

/// Tells when it is time to try again what failed, each time later.
struct Retry {
    /// As long as the loop waits after failures.
    private static let settings = SyncSchedule.Settings()
    private var pause = RetryPause(first: settings.firstRetry, longest: settings.longestRetry)
    private var timer: Task<Void, Never>?
    private var number = 0
    private let onDue: @Sendable (Int) -> Void

    /// - Parameter onDue: is called when it is time, with the number of the try.
    init(onDue: @escaping @Sendable (Int) -> Void) { self.onDue = onDue }

    /// It failed: waits for the next try. A wait that goes on ends.
    mutating func failed() {
        timer?.cancel()
        number += 1
        let (number, onDue, wait) = (number, onDue, pause.failed(jitter: Double.random(in: 0..<1)))
        timer = Task {
            guard (try? await Task.sleep(for: wait)) != nil else { return }
            onDue(number)
        }
    }

    /// Whether a try is the one that was waited for last.
    func isDue(_ number: Int) -> Bool { timer != nil && number == self.number }

    /// Nothing is to be tried again.
    mutating func cancel() {
        timer?.cancel()
        timer = nil
        pause.succeeded()
    }
}
