import Glibc
public import NetAddress

/// Attempts to reach an ``EchoServer``.
public enum Client {
    /// Tries once, on a socket of its own. Never waits for longer than the timeout.
    ///
    /// - Parameters:
    ///   - source: the address to send from; nil lets the kernel choose.
    ///   - sourcePort: the port to send from; nil lets the kernel choose.
    public static func probe(
        from namespace: NetworkNamespace, to address: IPAddress, port: UInt16, transport: TransportProtocol = .tcp,
        source: IPAddress? = nil, sourcePort: UInt16? = nil, timeout: Duration = .seconds(2)
    ) -> Outcome {
        let target = Target(address, port, transport, source: source, sourcePort: sourcePort)
        return outcome { try namespace.run { try target.probe(timeout) } }
    }

    /// Tries many times, one after another, each on a socket of its own.
    public static func tally(
        _ count: Int, from namespace: NetworkNamespace, to address: IPAddress, port: UInt16,
        transport: TransportProtocol = .tcp, source: IPAddress? = nil, timeout: Duration = .seconds(2)
    ) throws -> Tally {
        let target = Target(address, port, transport, source: source, sourcePort: nil)
        return try namespace.run {
            var tally = Tally()
            for _ in 0..<max(0, count) { tally.count(outcome { try target.probe(timeout) }) }
            return tally
        }
    }

    /// Folds errors into outcomes.
    static func outcome(_ body: () throws -> Outcome) -> Outcome {
        do {
            return try body()
        } catch let error as SystemCallError {
            return Outcome(error)
        } catch {
            return .unreachable(EIO)
        }
    }
}

/// Where a client sends to, and from.
struct Target {
    let peer: SocketAddress
    let local: SocketAddress?
    let transport: TransportProtocol
    /// Whether it sends from a port that does not come again soon; UDP does so in any case.
    let hasFreshPort: Bool

    init(
        _ address: IPAddress, _ port: UInt16, _ transport: TransportProtocol, source: IPAddress?, sourcePort: UInt16?,
        hasFreshPort: Bool = false
    ) {
        self.hasFreshPort = hasFreshPort || transport == .udp
        peer = SocketAddress(address: address, port: port)
        self.transport = transport
        let anyAddress = address.family == .ipv4 ? IPAddress(ipv4: 0) : IPAddress(ipv6: 0, 0)
        local =
            source == nil && sourcePort == nil
            ? nil : SocketAddress(address: source ?? anyAddress, port: sourcePort ?? 0)
    }

    /// A socket with its own address and port, if it needs one.
    func open() throws(SystemCallError) -> Socket {
        guard hasFreshPort, (local?.port ?? 0) == 0 else {
            let socket = try Socket.open(peer.address.family, transport)
            if let local { try socket.bind(local) }
            return socket
        }
        let socket = try Socket.open(peer.address.family, transport, isShared: false)
        let anyAddress = peer.address.family == .ipv4 ? IPAddress(ipv4: 0) : IPAddress(ipv6: 0, 0)
        try FreshPort.bind(socket, to: local ?? SocketAddress(address: anyAddress, port: 0))
        return socket
    }

    /// A connected socket. UDP sockets are connected too, so that they hear of ICMP errors.
    func connect(_ deadline: Deadline) throws(SystemCallError) -> Socket {
        let socket = try open()
        try socket.connect(peer, deadline: deadline)
        return socket
    }

    /// Connects and reads the server's line.
    func probe(_ timeout: Duration) throws(SystemCallError) -> Outcome {
        let deadline = Deadline(timeout)
        let socket = try connect(deadline)
        if transport == .udp { try socket.send("?", deadline: deadline) }
        var reader = LineReader()
        return try reader.outcome(from: socket, deadline)
    }
}

/// Cuts what arrives on a socket into lines.
struct LineReader: Sendable {
    private var bytes: [UInt8] = []

    /// The next line, without its end.
    mutating func line(from socket: borrowing Socket, _ deadline: Deadline) throws(SystemCallError) -> String {
        while true {
            if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                defer { bytes.removeSubrange(...end) }
                return String(decoding: bytes[..<end], as: UTF8.self)
            }
            let arrived = try socket.receive(deadline: deadline)
            guard !arrived.isEmpty else { throw SystemCallError(call: "recv", number: ECONNRESET) }
            bytes += arrived
        }
    }

    mutating func outcome(from socket: borrowing Socket, _ deadline: Deadline) throws(SystemCallError) -> Outcome {
        guard let outcome = Outcome(line: try line(from: socket, deadline)) else {
            throw SystemCallError(call: "recv", number: EPROTO)
        }
        return outcome
    }
}
