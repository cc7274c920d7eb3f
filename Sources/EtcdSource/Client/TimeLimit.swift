internal import Synchronization

/// Runs something that must not take longer than a time; what takes longer is cancelled, and the error is thrown.
func withTimeLimit<Output: Sendable>(
    _ limit: Duration, or error: EtcdError, _ body: @escaping @Sendable () async throws -> Output
) async throws -> Output {
    try await withTimeLimit(limit, atMost: limit, or: error) { _ in try await body() }
}

/// The same for something that may take longer as long as it makes progress: an answer on a slow line.
///
/// - Parameters:
///   - limit: how long it may make no progress.
///   - longest: how long it may take in any case.
func withTimeLimit<Output: Sendable>(
    _ limit: Duration, atMost longest: Duration, or error: EtcdError,
    _ body: @escaping @Sendable (Progress) async throws -> Output
) async throws -> Output {
    try await withThrowingTaskGroup(of: Output.self) { group in
        let progress = Progress()
        let end = ContinuousClock.now + longest
        group.addTask { try await body(progress) }
        group.addTask {
            while true {
                let due = min(progress.last + limit, end)
                guard due > .now else { throw error }
                try await Task.sleep(until: due, clock: .continuous)
            }
        }
        defer { group.cancelAll() }
        guard let output = try await group.next() else { throw error }
        return output
    }
}

/// When something last went on.
final class Progress: Sendable {
    private let instant = Mutex(ContinuousClock.now)

    var last: ContinuousClock.Instant { instant.withLock { $0 } }

    func isMade() { instant.withLock { $0 = .now } }
}
