internal import Glibc
internal import Dataplane
internal import Links
internal import NetAddress
internal import Netlink
internal import ServiceSource
internal import Synchronization

/// Says what addresses the node has, at first and whenever that changes.
final class AddressWatcher: Sendable {
    /// What there is to say.
    enum News: Hashable, Sendable {
        case addresses(Set<IPAddress>)
        /// They cannot be read, and what was said last may be wrong; it is tried again. Said once for each reason.
        case problem(String)
        case mended
    }

    private final class SharedSockets: Sendable {
        struct Content: ~Copyable {
            var monitor: AddressMonitor
            var reader: NodeAddressReader
        }

        let content: Mutex<Content>

        init() throws { content = Mutex(Content(monitor: try AddressMonitor(), reader: try NodeAddressReader())) }
    }

    /// How long to wait before what failed is tried again.
    private static let pause: Int32 = 1000

    /// What the node had when the watcher was made.
    let first: Set<IPAddress>
    private let known: Mutex<Set<IPAddress>>
    /// What was said last.
    var latest: Set<IPAddress> { known.withLock { $0 } }
    /// Readable when something changed.
    private let descriptor: Int32
    /// Takes what makes the descriptor readable.
    private let hasChanged: @Sendable () throws -> Bool
    private let read: @Sendable () throws -> Set<IPAddress>
    /// Rings when it is time to stop.
    private let stopping: Bell

    /// Watches the network namespace of the calling thread.
    convenience init() throws {
        let sockets = try SharedSockets()
        try self.init(
            descriptor: sockets.content.withLock { $0.monitor.descriptor },
            hasChanged: { try sockets.content.withLock { try $0.monitor.hasChanged() } },
            read: { try sockets.content.withLock { try $0.reader.addresses(exceptOn: ServiceDevice.names) } })
    }

    init(
        descriptor: Int32, hasChanged: @escaping @Sendable () throws -> Bool,
        read: @escaping @Sendable () throws -> Set<IPAddress>
    ) throws {
        self.descriptor = descriptor
        self.hasChanged = hasChanged
        self.read = read
        stopping = try Bell()
        first = try read()
        known = Mutex(first)
    }

    /// Tells of changes until it is stopped. It blocks.
    func run(_ tell: (News) -> Void) {
        var problem: String?
        while true {
            var entries = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stopping.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            // After a failure the descriptor says nothing new, or all the time that it is broken.
            if problem != nil { entries[0].fd = -1 }
            let count = poll(&entries, 2, problem == nil ? -1 : Self.pause)
            if entries[1].revents != 0 { return }
            guard count > 0 || problem != nil else { continue }
            do {
                let change = Result { try hasChanged() }
                if case .success(false) = change, problem == nil { continue }
                // Also where nobody tells of changes any more: then they are read now and then.
                let addresses = try read()
                let isNew = known.withLock { known in
                    defer { known = addresses }
                    return known != addresses
                }
                if isNew { tell(.addresses(addresses)) }
                _ = try change.get()
                if problem != nil { tell(.mended) }
                problem = nil
            } catch {
                let reason = "\(error)"
                if problem != reason { tell(.problem(reason)) }
                problem = reason
            }
        }
    }

    /// Ends ``run(_:)``.
    func stop() { stopping.ring() }
}
