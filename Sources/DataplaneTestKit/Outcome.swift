import Glibc
public import NetAddress

/// What became of one attempt to reach a server.
public enum Outcome: Hashable, Sendable {
    /// A server answered: its name, and the client's address and port as the server saw them.
    case answered(server: String, seenAs: IPAddress, seenPort: UInt16)
    /// The port is closed or rejected: a TCP reset, or an ICMP port unreachable.
    case refused
    /// Nothing came back in time.
    case timedOut
    /// Any other error, by its number: no route (ENETUNREACH, EHOSTUNREACH), forbidden (EACCES, EPERM), a connection
    /// that broke before the answer (ECONNRESET), a source that is not there or in use (EADDRNOTAVAIL, EADDRINUSE).
    case unreachable(Int32)

    /// The name of the server that answered.
    public var server: String? {
        if case .answered(let server, _, _) = self { server } else { nil }
    }

    /// The client's address as the server saw it.
    public var seenAs: IPAddress? {
        if case .answered(_, let address, _) = self { address } else { nil }
    }

    /// The client's port as the server saw it.
    public var seenPort: UInt16? {
        if case .answered(_, _, let port) = self { port } else { nil }
    }
}

extension Outcome {
    init(_ error: SystemCallError) {
        self =
            switch error.number {
            case ECONNREFUSED: .refused
            case ETIMEDOUT: .timedOut
            default: .unreachable(error.number)
            }
    }

    /// Reads a server's line, `NAME ADDRESS PORT`.
    init?(line: some StringProtocol) {
        let parts = line.split(separator: " ")
        guard parts.count == 3, let address = IPAddress(parts[1]), let port = UInt16(parts[2]) else { return nil }
        self = .answered(server: String(parts[0]), seenAs: address, seenPort: port)
    }
}

extension Outcome: CustomStringConvertible {
    public var description: String {
        switch self {
        case .answered(let server, let address, let port): "answered by \(server), seen as \(address) port \(port)"
        case .refused: "refused"
        case .timedOut: "timed out"
        case .unreachable(let number): "unreachable: \(String(cString: strerror(number)))"
        }
    }
}

/// What became of many attempts.
public struct Tally: Hashable, Sendable {
    /// How often each server answered.
    public var answers: [String: Int] = [:]
    /// Every outcome that was not an answer, in order.
    public var failures: [Outcome] = []

    public init() {}

    /// The servers that answered, sorted.
    public var servers: [String] { answers.keys.sorted() }

    /// Adds one attempt.
    public mutating func count(_ outcome: Outcome) {
        if let server = outcome.server { answers[server, default: 0] += 1 } else { failures.append(outcome) }
    }
}
