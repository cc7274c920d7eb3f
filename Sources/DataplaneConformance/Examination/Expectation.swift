internal import DataplaneTestKit
internal import Glibc
internal import NetAddress

/// What a connection attempt should come to.
enum Expectation: Hashable, Sendable {
    /// One of these servers answers, and sees the client as one of the addresses beside it. Over many attempts all of
    /// them do.
    case answered([String: Set<IPAddress>])
    /// An error comes back at once.
    case refused
    /// Nothing comes back.
    case dropped

    /// The servers that may answer.
    var servers: Set<String> {
        if case .answered(let servers) = self { Set(servers.keys) } else { [] }
    }

    /// Silence is waited for no longer than it takes an answer to come; what should come gets all the time it needs on
    /// a busy machine.
    var patience: Duration { self == .dropped ? .milliseconds(300) : .seconds(6) }

    /// Whether an outcome is as expected.
    ///
    /// - Parameter isOwnDatagram: whether it was a datagram of the node's own: the kernel tells its sender that it was
    ///   not let out, be it refused or dropped.
    func matches(_ outcome: Outcome, isOwnDatagram: Bool) -> Bool {
        switch self {
        case .answered(let servers):
            outcome.server.flatMap { servers[$0] }.map { seen in outcome.seenAs.map(seen.contains) ?? false } ?? false
        case .refused: outcome == .refused || isOwnDatagram && outcome == .unreachable(EPERM)
        case .dropped: outcome == .timedOut || isOwnDatagram && outcome == .unreachable(EPERM)
        }
    }
}

extension Expectation: CustomStringConvertible {
    var description: String {
        switch self {
        case .answered(let servers):
            servers.sorted { $0.key < $1.key }.map { server, seen in
                "\(server) seeing \(seen.sorted().map(\.description).joined(separator: "/"))"
            }.joined(separator: " or ")
        case .refused: "refused"
        case .dropped: "dropped"
        }
    }
}
