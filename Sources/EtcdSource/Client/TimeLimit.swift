/// Runs something that must not take longer than a time; what takes longer is cancelled, and the error is thrown.
func withTimeLimit<Output: Sendable>(
    _ limit: Duration, or error: EtcdError, _ body: @escaping @Sendable () async throws -> Output
) async throws -> Output {
    try await withThrowingTaskGroup(of: Output.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw error
        }
        defer { group.cancelAll() }
        guard let output = try await group.next() else { throw error }
        return output
    }
}
