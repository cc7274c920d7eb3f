import Glibc
import NetAddress

/// Drives many probes on one thread, in the namespace of that thread.
final class Prober {
    /// Few enough for a server's backlog and buffers, and for the hundreds of descriptors that a process may have.
    private static let mostAtOnce = 200

    private let probes: [Probe]
    private var outcomes: [Outcome?]
    private var next = 0
    private var flights: [Flight] = []
    private let ipv4Errors: ICMPListener
    private let ipv6Errors: ICMPListener

    init(_ probes: [Probe]) throws(SystemCallError) {
        self.probes = probes
        outcomes = Array(repeating: nil, count: probes.count)
        ipv4Errors = try ICMPListener.open(.ipv4)
        ipv6Errors = try ICMPListener.open(.ipv6)
    }

    func run() throws(SystemCallError) -> [Outcome] {
        while next < probes.count || !flights.isEmpty {
            while next < probes.count, flights.count < Self.mostAtOnce { launchNext() }
            try waitForNews()
            noteErrors(ipv4Errors)
            noteErrors(ipv6Errors)
            flights.removeAll { flight in
                guard let outcome = flight.proceed() else { return false }
                outcomes[flight.index] = outcome
                return true
            }
        }
        return outcomes.map { $0 ?? .timedOut }
    }

    private func launchNext() {
        defer { next += 1 }
        do {
            flights.append(try Flight(probes[next], index: next))
        } catch {
            outcomes[next] = Outcome(error)
        }
    }

    /// Waits until a socket can go on, or the first probe has waited long enough.
    private func waitForNews() throws(SystemCallError) {
        let errors = [ipv4Errors.socket.descriptor.number, ipv6Errors.socket.descriptor.number]
        var entries =
            flights.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
            + errors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let patience = flights.map { $0.alarm.milliseconds }.min() ?? 0
        let count = poll(&entries, nfds_t(entries.count), patience)
        if count < 0, errno != EINTR { throw .last("poll") }
        for (flight, entry) in zip(flights, entries) { flight.hasNews = entry.revents != 0 }
    }

    /// Several sockets may have one local port, if their peers differ, so it takes both to know who is meant.
    private func noteErrors(_ listener: borrowing ICMPListener) {
        while let (attempt, number) = listener.nextFailure() {
            flights.first { $0.attempt == attempt }?.fail(number)
        }
    }
}

/// One probe on its way.
private final class Flight {
    let index: Int
    /// Who is meant by an ICMP error; nil for UDP, whose sockets hear of errors themselves.
    let attempt: ICMPListener.Attempt?
    /// Whether `poll` has found something.
    var hasNews = false

    private enum State { case connecting, listening }

    /// A datagram is lost where a buffer is full, so it is sent again after a while.
    private static let timeToRepeat = Duration.seconds(1)

    private let socket: Socket
    private let transport: TransportProtocol
    private let deadline: Deadline
    private var repetition = Deadline(timeToRepeat)
    private var state: State
    private var received: [UInt8] = []
    private var failure: Int32?

    init(_ probe: Probe, index: Int) throws(SystemCallError) {
        self.index = index
        transport = probe.transport
        deadline = Deadline(probe.patience)
        let target = Target(
            probe.address, probe.port, probe.transport, source: probe.source, sourcePort: probe.sourcePort,
            hasFreshPort: true)
        let peer = target.peer
        socket = try target.open()
        state = try socket.startConnecting(peer) ? .listening : .connecting
        attempt =
            probe.transport == .udp
            ? nil : ICMPListener.Attempt(peer: peer, localPort: socket.localAddress?.port ?? 0)
        if probe.transport == .udp { try socket.send("?", deadline: deadline) }
    }

    var descriptor: Int32 { socket.descriptor.number }
    var events: Int16 { Int16(state == .connecting ? POLLOUT : POLLIN) }
    /// When to look at it even if nothing happens.
    var alarm: Deadline { transport == .udp && repetition.isBefore(deadline) ? repetition : deadline }

    /// An ICMP error about the attempt to connect has come; one that comes later is about nothing that matters.
    func fail(_ number: Int32) { if state == .connecting { failure = number } }

    /// Takes the next steps; returns the outcome once there is one.
    func proceed() -> Outcome? {
        do throws(SystemCallError) {
            if let failure { throw SystemCallError(call: "connect", number: failure) }
            if hasNews, let outcome = try takeNews() { return outcome }
            if deadline.isOver { return .timedOut }
            if transport == .udp, repetition.isOver {
                repetition = Deadline(Self.timeToRepeat)
                try socket.send("?", deadline: deadline)
            }
            return nil
        } catch {
            return Outcome(error)
        }
    }

    private func takeNews() throws(SystemCallError) -> Outcome? {
        hasNews = false
        if state == .connecting {
            try socket.finishConnecting()
            state = .listening
        }
        guard let bytes = try socket.receiveNow() else { return nil }
        received += bytes
        guard let end = received.firstIndex(of: UInt8(ascii: "\n")) else {
            if bytes.isEmpty { throw SystemCallError(call: "recv", number: ECONNRESET) }
            return nil
        }
        return Outcome(line: String(decoding: received[..<end], as: UTF8.self)) ?? .unreachable(EPROTO)
    }
}
