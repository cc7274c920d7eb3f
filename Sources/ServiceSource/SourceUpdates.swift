internal import Synchronization

/// The updates of one source, as they come. While nobody asks for the next one, all that happens becomes one update, so
/// that a slow reader gets few and large ones, and never more than the whole state.
///
/// One task may iterate, once. The source stops when the sequence and its iterator are gone, or the task is cancelled.
public struct SourceUpdates: AsyncSequence, Sendable {
    public typealias Element = SourceUpdate
    public typealias Failure = Never

    private let mailbox: SourceMailbox
    private let signals: AsyncStream<Void>

    /// Makes the sequence and the end into which a source puts its updates.
    public static func makeMailbox() -> (updates: SourceUpdates, mailbox: SourceMailbox) {
        let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let mailbox = SourceMailbox(signal: continuation)
        return (SourceUpdates(mailbox: mailbox, signals: signals), mailbox)
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let mailbox: SourceMailbox
        fileprivate var signals: AsyncStream<Void>.AsyncIterator

        public mutating func next() async -> SourceUpdate? { await next(isolation: #isolation) }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> SourceUpdate? {
            while true {
                if let update = mailbox.take() { return update }
                if await signals.next(isolation: actor) == nil { return mailbox.take() }
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(mailbox: mailbox, signals: signals.makeAsyncIterator())
    }
}

/// Where a source puts its updates.
public final class SourceMailbox: Sendable {
    private let pending = Mutex<SourceUpdate?>(nil)
    private let signal: AsyncStream<Void>.Continuation

    fileprivate init(signal: AsyncStream<Void>.Continuation) { self.signal = signal }

    /// Adds an update to what the reader has not taken yet.
    public func post(_ update: SourceUpdate) {
        pending.withLock { pending in
            if pending == nil { pending = update } else { pending?.merge(update) }
        }
        signal.yield()
    }

    /// Ends the sequence after what is pending.
    public func finish() { signal.finish() }

    /// What to do when the reader is gone. It may be called at once, on any thread, and at most once.
    public func onTermination(_ body: @escaping @Sendable () -> Void) { signal.onTermination = { _ in body() } }

    fileprivate func take() -> SourceUpdate? {
        pending.withLock { pending in
            defer { pending = nil }
            return pending
        }
    }
}
