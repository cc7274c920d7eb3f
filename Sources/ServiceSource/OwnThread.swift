internal import Glibc

/// Runs a body that blocks on a thread of its own, and waits for it without holding one of Swift's few threads.
package func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        let work = Unmanaged.passRetained(
            ThreadWork { continuation.resume(with: Swift.Result { try body() }) })
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<ThreadWork>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, work.toOpaque())
        guard result == 0 else {
            work.release()
            return continuation.resume(throwing: ThreadError(number: result))
        }
        pthread_detach(thread)
    }
}

private final class ThreadWork: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

package struct ThreadError: Error, CustomStringConvertible {
    let number: Int32
    package var description: String { "no thread can be started: \(String(cString: strerror(number)))" }
}
