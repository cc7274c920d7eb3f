public import NetAddress
public import ServiceSource
internal import Synchronization

/// Where sources and signals leave word for the agent's loop, from any thread.
public final class Inbox: Sendable {
    /// Something to do that is no change of definitions.
    public enum Order: Hashable, Sendable {
        /// End.
        case stop
        /// Compare everything.
        case compare
    }

    private struct Content {
        var updates: [Int: SourceUpdate] = [:]
        var orders: [Order] = []
        var addresses: Set<IPAddress>?
    }

    private let content = Mutex(Content())
    private let bell: Bell

    /// - Throws: where the process or the machine may open no more files.
    public init() throws { bell = try Bell() }

    /// Becomes readable when there is something to take.
    public var descriptor: Int32 { bell.descriptor }

    /// A source says something; what it said before and nobody has taken yet is joined with it.
    public func add(_ update: SourceUpdate, from source: Int) {
        content.withLock { content in
            if content.updates[source] == nil {
                content.updates[source] = update
            } else {
                content.updates[source]?.merge(update)
            }
        }
        bell.ring()
    }

    /// The node has these addresses now.
    public func add(addresses: Set<IPAddress>) {
        content.withLock { $0.addresses = addresses }
        bell.ring()
    }

    public func add(_ order: Order) {
        content.withLock { $0.orders.append(order) }
        bell.ring()
    }

    /// Everything that was left here, which is then gone.
    public func take() -> (
        updates: [(source: Int, update: SourceUpdate)], orders: [Order], addresses: Set<IPAddress>?
    ) {
        bell.silence()
        return content.withLock { content in
            defer { content = Content() }
            let updates = content.updates.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            return (updates, content.orders, content.addresses)
        }
    }

    /// Looks at what waits to be taken, by source, and leaves it here.
    public func peek(_ body: ([Int: SourceUpdate]) -> Void) {
        content.withLock { body($0.updates) }
    }
}
