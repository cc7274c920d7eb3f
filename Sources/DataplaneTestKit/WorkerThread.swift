import Glibc

/// A thread of its own, for work that must not share one: entering a namespace, or blocking.
///
/// Async code hops between threads and a namespace belongs to a thread, so nothing here runs on Swift's own threads.
struct WorkerThread: Sendable {
    private let identifier: pthread_t

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts a thread.
    init(_ body: @escaping @Sendable () -> Void) throws(SystemCallError) {
        var identifier = pthread_t()
        let work = Unmanaged.passRetained(Work(body))
        let result = pthread_create(
            &identifier, nil,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, work.toOpaque())
        guard result == 0 else {
            work.release()
            throw SystemCallError(call: "pthread_create", number: result)
        }
        self.identifier = identifier
    }

    /// Waits for its end; exactly one caller may, once.
    func join() { pthread_join(identifier, nil) }

    /// Runs a body on a new thread and waits for what it returns or throws.
    static func run<Output: Sendable & ~Copyable>(_ body: @Sendable () throws -> Output) throws -> Output {
        try withoutActuallyEscaping(body) { body in
            let box = ResultBox<Output>()
            let thread = try WorkerThread { box.fill(body) }
            thread.join()
            return try box.take()
        }
    }

    /// Runs bodies at the same time, each on a new thread, and waits for all of them; throws the first error.
    static func runAll<Output: Sendable>(_ bodies: [@Sendable () throws -> Output]) throws -> [Output] {
        let boxes = bodies.map { _ in ResultBox<Output>() }
        var threads: [WorkerThread] = []
        defer { for thread in threads { thread.join() } }
        for (body, box) in zip(bodies, boxes) { threads.append(try WorkerThread { box.fill(body) }) }
        while let thread = threads.popLast() { thread.join() }
        return try boxes.map { try $0.take() }
    }
}

/// Carries a result from a thread to the one that joins it. The join is what orders the two accesses.
private final class ResultBox<Output: Sendable & ~Copyable>: @unchecked Sendable {
    private var output: Output?
    private var error: (any Error)?

    func fill(_ body: () throws -> Output) {
        do { output = try body() } catch { self.error = error }
    }

    func take() throws -> Output {
        if let error { throw error }
        guard let result = output.take() else { throw SystemCallError(call: "pthread_join", number: ESRCH) }
        return result
    }
}
