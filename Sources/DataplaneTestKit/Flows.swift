import Glibc
public import NetAddress
import Synchronization

/// A TCP connection that stays open to a server in mode ``EchoServer/Mode/keepOpen``.
public final class LongConnection: Sendable {
    /// What the server said at the start; always ``Outcome/answered(server:seenAs:seenPort:)``.
    public let greeting: Outcome
    private let socket: Socket
    private let reader: Mutex<LineReader>

    /// Connects and reads the server's first line; throws ``SystemCallError`` if that fails.
    public init(
        from namespace: NetworkNamespace, to address: IPAddress, port: UInt16, source: IPAddress? = nil,
        sourcePort: UInt16? = nil, timeout: Duration = .seconds(2)
    ) throws {
        let target = Target(address, port, .tcp, source: source, sourcePort: sourcePort)
        let deadline = Deadline(timeout)
        socket = try namespace.run { try target.connect(deadline) }
        var reader = LineReader()
        greeting = try reader.outcome(from: socket, deadline)
        self.reader = Mutex(reader)
    }

    /// Sends one line and returns the line that comes back; throws ``SystemCallError``, ETIMEDOUT if none does.
    public func exchange(_ line: String, timeout: Duration = .seconds(2)) throws -> String {
        let deadline = Deadline(timeout)
        return try reader.withLock { reader in
            try socket.send(line + "\n", deadline: deadline)
            return try reader.line(from: socket, deadline)
        }
    }

    /// Ends the connection. Further calls do nothing.
    public func close() { shutdown(socket.descriptor.number, Int32(SHUT_RDWR)) }
}

/// A UDP client that keeps its socket and so its source port, as DNS resolvers and syslog do: to connection tracking
/// all it sends is one flow.
public final class UDPFlow: Sendable {
    /// The port it sends from.
    public let sourcePort: UInt16
    private let socket: Socket

    public init(
        from namespace: NetworkNamespace, to address: IPAddress, port: UInt16, source: IPAddress? = nil,
        sourcePort: UInt16? = nil
    ) throws {
        let target = Target(address, port, .udp, source: source, sourcePort: sourcePort)
        socket = try namespace.run { try target.connect(Deadline(.seconds(2))) }
        self.sourcePort = socket.localAddress?.port ?? 0
    }

    /// Sends a datagram and waits for the answer to it. Late answers to earlier ones are dropped first.
    public func probe(timeout: Duration = .seconds(2)) -> Outcome {
        Self.probe([self], timeout: timeout)[0]
    }

    /// The same for many at once, so that silence costs its time once.
    public static func probe(_ flows: [UDPFlow], timeout: Duration = .seconds(2)) -> [Outcome] {
        let deadline = Deadline(timeout)
        return zip(flows, flows.map { $0.send(deadline) }).map { flow, failure in
            failure
                ?? Client.outcome {
                    var reader = LineReader()
                    return try reader.outcome(from: flow.socket, deadline)
                }
        }
    }

    /// Returns what went wrong.
    private func send(_ deadline: Deadline) -> Outcome? {
        while let late = try? socket.receiveNow(), !late.isEmpty {}
        do throws(SystemCallError) {
            try socket.send("?", deadline: deadline)
            return nil
        } catch {
            return Outcome(error)
        }
    }
}
