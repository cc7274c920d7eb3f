internal import Synchronization

/// Numbers that were announced and not looked at yet, each once: what is announced faster than somebody looks does not pile
/// up before everything else that he has to do.
final class Announcements: Sendable {
    private let waiting = Mutex<Set<Int>>([])

    /// - Returns: whether to announce it: false if that waits already.
    func add(_ number: Int) -> Bool { waiting.withLock { $0.insert(number).inserted } }

    /// Somebody looks now: what comes from now on is news.
    func take(_ number: Int) { waiting.withLock { _ = $0.remove(number) } }
}
