import Synchronization

/// Work on a thread of its own inside of a namespace, for what blocks until it is told to end. Swift's own threads are
/// few, and must not be held.
public final class BackgroundRun: Sendable {
    /// What the thread leaves behind.
    private final class Ending: Sendable {
        let error = Mutex<(any Error)?>(nil)
    }

    private let ending = Ending()
    private let thread: Mutex<WorkerThread?>

    public init(in namespace: NetworkNamespace, _ body: @escaping @Sendable () throws -> Void) throws {
        let ending = ending
        thread = try Mutex(
            WorkerThread {
                do { try namespace.run(body) } catch { ending.error.withLock { $0 = error } }
            })
    }

    /// Waits for the end, and throws what the work threw.
    public func wait() throws {
        thread.withLock { $0.take() }?.join()
        if let error = ending.error.withLock({ $0 }) { throw error }
    }
}
