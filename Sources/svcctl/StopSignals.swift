internal import Dispatch
internal import Glibc
internal import Synchronization

/// SIGINT and SIGTERM as the end of what is done at the moment, not of the program. Each signal ends one thing.
final class StopSignals: Sendable {
    private struct State {
        var pending = 0
        var running: Task<Void, any Error>?
    }

    private let state = Mutex(State())
    /// Only set while nobody else knows of the object, and kept alive by it.
    private nonisolated(unsafe) var sources: [any DispatchSourceSignal] = []

    init() {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { [weak self] in self?.stop() }
            source.resume()
            sources.append(source)
        }
    }

    private func stop() {
        state.withLock { state in
            if let running = state.running { running.cancel() } else { state.pending += 1 }
        }
    }

    /// Does something until it is done, or is ended by a signal, which throws nothing.
    func runUntilSignal(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let task = state.withLock { state -> Task<Void, any Error>? in
            guard state.pending == 0 else {
                state.pending -= 1
                return nil
            }
            let task = Task { try await body() }
            state.running = task
            return task
        }
        guard let task else { return }
        let result = await task.result
        state.withLock { $0.running = nil }
        if !task.isCancelled { try result.get() }
    }
}
