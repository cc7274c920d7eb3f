import CNamespaces
import Glibc
public import NetAddress
import Synchronization

/// A server that tells each client who answers, and as whom it sees the client.
///
/// For each TCP connection, and each UDP datagram, it sends one line: `NAME ADDRESS PORT\n`. Clients may connect
/// as soon as the initializer returns. It stops when the object goes.
public final class EchoServer: Sendable {
    /// What becomes of a TCP connection after the line.
    public enum Mode: Sendable {
        /// The server closes it.
        case answerAndClose
        /// It stays open, and the server sends back whatever arrives.
        case keepOpen
    }

    public let name: String
    public let address: IPAddress
    /// The port, also where the kernel was asked to choose one.
    public let port: UInt16
    private let wakeUp: Int32
    private let thread: Mutex<WorkerThread?>

    /// Starts a server. Port 0 lets the kernel choose one.
    public init(
        in namespace: NetworkNamespace, address: IPAddress, port: UInt16, transport: TransportProtocol = .tcp,
        name: String, mode: Mode = .answerAndClose
    ) throws {
        let listener = try namespace.run {
            let socket = try Socket.open(address.family, transport)
            try socket.bind(SocketAddress(address: address, port: port))
            if transport == .tcp { try socket.listen() }
            return socket
        }
        self.name = name
        self.address = address
        self.port = listener.localAddress?.port ?? port
        let loop = EchoLoop(name: name, mode: mode, transport: transport, listener: listener)
        wakeUp = try check("eventfd", wake_up_counter())
        do {
            thread = try Mutex(WorkerThread { [wakeUp] in loop.serve(until: wakeUp) })
        } catch {
            close(wakeUp)
            throw error
        }
    }

    /// Closes the port and all connections. Further calls do nothing.
    public func stop() {
        thread.withLock { thread in
            guard let running = thread.take() else { return }
            var one: UInt64 = 1
            write(wakeUp, &one, MemoryLayout<UInt64>.size)
            running.join()
            close(wakeUp)
        }
    }

    deinit { stop() }
}

/// What the server's thread does. The port and the connections close when the thread ends and lets go of it.
private final class EchoLoop: Sendable {
    private let name: String
    private let mode: EchoServer.Mode
    private let transport: TransportProtocol
    private let listener: Socket

    private final class Connection {
        let socket: Socket
        init(_ socket: consuming Socket) { self.socket = socket }
    }

    init(name: String, mode: EchoServer.Mode, transport: TransportProtocol, listener: consuming Socket) {
        self.name = name
        self.mode = mode
        self.transport = transport
        self.listener = listener
    }

    /// Serves until a descriptor becomes readable.
    func serve(until wakeUp: Int32) {
        var connections: [Connection] = []
        while true {
            let watched = [wakeUp, listener.descriptor.number] + connections.map { $0.socket.descriptor.number }
            var entries = watched.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&entries, nfds_t(entries.count), -1) >= 0 || errno == EINTR else { return }
            let isReady = entries.map { $0.revents != 0 }
            if isReady[0] { return }
            connections = zip(connections, isReady.dropFirst(2)).filter { !$1 || echo(on: $0) }.map(\.0)
            if isReady[1] { connections += answer() }
        }
    }

    private func line(for peer: SocketAddress) -> String { "\(name) \(peer.address) \(peer.port)\n" }

    /// Answers whoever waits; returns the connections that stay open.
    private func answer() -> [Connection] {
        guard transport == .tcp else {
            while let peer = listener.receiveSender() { listener.send(line(for: peer), to: peer) }
            return []
        }
        var kept: [Connection] = []
        while let socket = listener.accept() {
            guard let peer = socket.peerAddress else { continue }
            try? socket.send(line(for: peer), deadline: Deadline(.milliseconds(100)))
            if mode == .keepOpen { kept.append(Connection(socket)) }
        }
        return kept
    }

    /// Sends back what arrived; false if the connection has ended.
    private func echo(on connection: Connection) -> Bool {
        do {
            guard let bytes = try connection.socket.receiveNow() else { return true }
            if bytes.isEmpty { return false }
            try connection.socket.send(String(decoding: bytes, as: UTF8.self), deadline: Deadline(.milliseconds(100)))
            return true
        } catch {
            return false
        }
    }
}
