internal import Glibc
internal import Dataplane
internal import Links
internal import NetAddress
internal import Netlink
internal import Synchronization

/// Says what addresses the node has, at first and whenever that changes.
final class AddressWatcher: Sendable {
    private struct Sockets: ~Copyable {
        var monitor: AddressMonitor
        var reader: NodeAddressReader
    }

    private let sockets: Mutex<Sockets>
    /// What the node has now.
    let first: Set<IPAddress>
    /// Two ends of a connection: closing one wakes the thread that waits at the other.
    private let stopping: (inside: Int32, outside: Int32)

    init() throws {
        var sockets = Sockets(monitor: try AddressMonitor(), reader: try NodeAddressReader())
        first = try sockets.reader.addresses(exceptOn: ServiceDevice.names)
        self.sockets = Mutex(sockets)
        var pair: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &pair)
        stopping = (pair[0], pair[1])
    }

    deinit { close(stopping.inside) }

    /// Tells of changes until it is stopped. It blocks.
    func run(_ onChange: (Set<IPAddress>) -> Void) {
        let descriptor = sockets.withLock { $0.monitor.descriptor }
        while true {
            var entries = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stopping.inside, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&entries, 2, -1)
            if count < 0, errno != EINTR { return }
            if entries[1].revents != 0 { return }
            if count > 0, let addresses = sockets.withLock({ Self.news(&$0) }) { onChange(addresses) }
        }
    }

    /// The addresses, if they changed. What cannot be read now is read at the next change.
    private static func news(_ sockets: inout Sockets) -> Set<IPAddress>? {
        guard (try? sockets.monitor.hasChanged()) ?? true else { return nil }
        return try? sockets.reader.addresses(exceptOn: ServiceDevice.names)
    }

    /// Ends ``run(_:)``. It is called once.
    func stop() { close(stopping.outside) }
}
