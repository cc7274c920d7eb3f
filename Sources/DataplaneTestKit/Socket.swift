import CNamespaces
import Glibc
import NetAddress

/// A non-blocking socket. It belongs to the namespace of the thread that opened it, whichever thread uses it.
struct Socket: ~Copyable, Sendable {
    static let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    let descriptor: Descriptor

    /// - Parameter isShared: whether it may have a port that a connection has or had. The kernel gives it that port then, and
    ///   refuses to connect to the same peer once more. Never so with UDP.
    static func open(
        _ family: IPFamily, _ transport: TransportProtocol, isShared: Bool = true
    ) throws(SystemCallError) -> Socket {
        let type = Int32((transport == .udp ? SOCK_DGRAM : SOCK_STREAM).rawValue)
        let socket = Socket(descriptor: try Descriptor("socket", socket(family.socketDomain, type | flags, 0)))
        // To TCP it means that a port may be used again soon. To UDP it means that the kernel may give two sockets one
        // port, and to the same peer both would be one flow, whose answers only one of them gets.
        if transport != .udp, isShared { try socket.set(SOL_SOCKET, SO_REUSEADDR) }
        if family == .ipv6 { try socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY) }
        return socket
    }

    /// The next connection of a listening socket; nil if there is none.
    func accept() -> Socket? {
        guard let accepted = try? Descriptor("accept4", accept_nonblocking(descriptor.number)) else { return nil }
        return Socket(descriptor: accepted)
    }

    private func set(_ level: Int32, _ option: Int32) throws(SystemCallError) {
        var on: Int32 = 1
        try check("setsockopt", setsockopt(descriptor.number, level, option, &on, socklen_t(MemoryLayout<Int32>.size)))
    }

    func bind(_ local: SocketAddress) throws(SystemCallError) {
        try check("bind", local.withSockaddr { Glibc.bind(descriptor.number, $0, $1) })
    }

    func listen() throws(SystemCallError) { try check("listen", Glibc.listen(descriptor.number, 1024)) }

    /// Connects, and waits until that is done or has failed.
    func connect(_ peer: SocketAddress, deadline: Deadline) throws(SystemCallError) {
        let listener = try ICMPListener.open(peer.address.family)
        if try startConnecting(peer) { return }
        let attempt = ICMPListener.Attempt(peer: peer, localPort: localAddress?.port ?? 0)
        while true {
            if try wait(POLLOUT, or: listener.socket.descriptor.number, deadline) { break }
            if let number = listener.failure(of: attempt) { throw SystemCallError(call: "connect", number: number) }
        }
        try finishConnecting()
    }

    /// Begins to connect; true if that is done at once, as always with UDP.
    func startConnecting(_ peer: SocketAddress) throws(SystemCallError) -> Bool {
        let result = peer.withSockaddr { Glibc.connect(descriptor.number, $0, $1) }
        if result == 0 { return true }
        guard errno == EINPROGRESS else { throw .last("connect") }
        return false
    }

    /// Throws the reason if the attempt that has ended has failed.
    func finishConnecting() throws(SystemCallError) {
        var failure: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        try check("getsockopt", getsockopt(descriptor.number, SOL_SOCKET, SO_ERROR, &failure, &length))
        guard failure == 0 else { throw SystemCallError(call: "connect", number: failure) }
    }

    /// Waits until the socket can be read or written, or has failed.
    func wait(_ events: Int32, _ deadline: Deadline) throws(SystemCallError) {
        _ = try wait(events, or: -1, deadline)
    }

    /// Waits for this socket, or until another one can be read (-1: none); true if it is this one.
    private func wait(
        _ events: Int32, or other: Int32, _ deadline: Deadline
    ) throws(SystemCallError) -> Bool {
        while true {
            var entries = [
                pollfd(fd: descriptor.number, events: Int16(events), revents: 0),
                pollfd(fd: other, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&entries, nfds_t(entries.count), deadline.milliseconds)
            if count > 0 { return entries[0].revents != 0 }
            if count < 0, errno != EINTR { throw .last("poll") }
            if deadline.isOver { throw SystemCallError(call: "poll", number: ETIMEDOUT) }
        }
    }

    func send(_ text: String, deadline: Deadline) throws(SystemCallError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                try wait(POLLOUT, deadline)
            } else {
                throw .last("send")
            }
        }
    }

    /// What has arrived; empty at the end of a stream.
    func receive(deadline: Deadline) throws(SystemCallError) -> [UInt8] {
        while true {
            if let bytes = try receiveNow() { return bytes }
            try wait(POLLIN, deadline)
        }
    }

    /// What has arrived, empty at the end of a stream, nil if nothing has.
    func receiveNow() throws(SystemCallError) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = buffer.withUnsafeMutableBytes { recv(descriptor.number, $0.baseAddress, $0.count, 0) }
        if count < 0, errno == EAGAIN || errno == EINTR { return nil }
        try check("recv", count)
        return Array(buffer.prefix(count))
    }

    /// Drops a datagram and returns who sent it; nil if there is none.
    func receiveSender() -> SocketAddress? {
        var byte: UInt8 = 0
        let (count, sender) = SocketAddress.filled { recvfrom(descriptor.number, &byte, 1, 0, $0, $1) }
        return count < 0 ? nil : sender
    }

    /// A datagram and who sent it; nils if there is none.
    func receiveWithSender() -> ([UInt8]?, SocketAddress?) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let (count, sender) = buffer.withUnsafeMutableBytes { buffer in
            SocketAddress.filled { recvfrom(descriptor.number, buffer.baseAddress, buffer.count, 0, $0, $1) }
        }
        return count < 0 ? (nil, nil) : (Array(buffer.prefix(count)), sender)
    }

    func send(_ text: String, to peer: SocketAddress) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { bytes in
            peer.withSockaddr { sendto(descriptor.number, bytes.baseAddress, bytes.count, 0, $0, $1) }
        }
    }

    var localAddress: SocketAddress? { SocketAddress.filled { getsockname(descriptor.number, $0, $1) }.1 }
    var peerAddress: SocketAddress? { SocketAddress.filled { getpeername(descriptor.number, $0, $1) }.1 }
}

/// A moment until which something may take.
struct Deadline: Sendable {
    private let instant: ContinuousClock.Instant

    init(_ timeout: Duration) { instant = .now + timeout * TestMachine.patience }

    var isOver: Bool { instant <= .now }

    func isBefore(_ other: Deadline) -> Bool { instant < other.instant }

    /// What is left, rounded up, as `poll` wants it.
    var milliseconds: Int32 {
        let (seconds, attoseconds) = (instant - .now).components
        let left = seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1
        return Int32(clamping: max(0, left))
    }
}
