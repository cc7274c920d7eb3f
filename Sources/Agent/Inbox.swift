internal import Glibc
public import ServiceModel
internal import Synchronization

/// Where sources and signals leave word for the agent's loop, from any thread.
public final class Inbox: Sendable {
    /// What one source has to say since the last time it was asked; later words about a service replace earlier ones.
    public struct SourceNews: Sendable {
        public var changes: [ServiceName: Service?] = [:]
        public var isComplete = false
        /// All that is wrong with the source's documents now; nil if nothing was said.
        public var findings: [Finding]?
        /// Why the source's last good state may be old; nil inside if it is current, nil outside if nothing was said.
        public var staleReason: String??

        public init() {}
    }

    /// Something to do that is no change of definitions.
    public enum Order: Hashable, Sendable {
        /// End.
        case stop
        /// Compare everything.
        case compare
    }

    private struct Content {
        var news: [Int: SourceNews] = [:]
        var orders: [Order] = []
    }

    private let content = Mutex(Content())
    /// A pair of sockets: a byte in the second makes the first readable.
    private let bell: (inside: Int32, outside: Int32)

    public init() {
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        // It fails only where the process may open no more files, and nothing can run then.
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else {
            fatalError("socketpair: \(String(cString: strerror(errno)))")
        }
        bell = (pair[0], pair[1])
    }

    deinit {
        close(bell.inside)
        close(bell.outside)
    }

    /// Becomes readable when there is something to take.
    public var descriptor: Int32 { bell.inside }

    /// A source says something.
    public func add(_ news: SourceNews, from source: Int) {
        content.withLock { content in
            var known = content.news[source] ?? SourceNews()
            known.changes.merge(news.changes) { $1 }
            known.isComplete = known.isComplete || news.isComplete
            known.findings = news.findings ?? known.findings
            known.staleReason = news.staleReason ?? known.staleReason
            content.news[source] = known
        }
        ring()
    }

    public func add(_ order: Order) {
        content.withLock { $0.orders.append(order) }
        ring()
    }

    /// Everything that was left here, which is then gone.
    public func take() -> (news: [(source: Int, news: SourceNews)], orders: [Order]) {
        var rings = [UInt8](repeating: 0, count: 256)
        while read(bell.inside, &rings, rings.count) == rings.count {}
        return content.withLock { content in
            defer { content = Content() }
            return (content.news.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, content.orders)
        }
    }

    private func ring() {
        // A socket that is full rings already.
        var ring: UInt8 = 1
        write(bell.outside, &ring, 1)
    }
}
