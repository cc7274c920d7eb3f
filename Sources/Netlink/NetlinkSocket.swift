internal import CNetfilter
internal import Glibc
public import NetlinkWire

/// The netlink protocols in use here (linux/netlink.h).
public enum NetlinkProtocol: Int32, Sendable {
    case route = 0
    case socketDiagnosis = 4
    case netfilter = 12
    case generic = 16
}

/// A netlink socket with the kernel at the other end.
///
/// It belongs to the network namespace that the opening thread was in, and stays there. It is used by one task at a
/// time and closes with its last owner.
public struct NetlinkSocket: ~Copyable {
    private let handle: OpaquePointer
    private var received: UnsafeMutableRawBufferPointer
    private var sequence: UInt32

    /// Opens and binds a socket in the calling thread's network namespace, with extended acks and strict checking on.
    public init(_ protocol: NetlinkProtocol) throws(NetlinkError) {
        guard let opened = mnl_socket_open2(`protocol`.rawValue, Int32(SOCK_CLOEXEC.rawValue)) else {
            throw .last("opening a netlink socket")
        }
        guard mnl_socket_bind(opened, 0, MNL_SOCKET_AUTOPID) == 0 else {
            let error = NetlinkError.last("binding a netlink socket")
            mnl_socket_close(opened)
            throw error
        }
        handle = opened
        received = .allocate(byteCount: 256 * 1024, alignment: 8)
        // A sequence that starts anew with each socket would let a late answer pass for a new one.
        sequence = UInt32(truncatingIfNeeded: time(nil)) & 0x3fff_ffff
        setOption(NETLINK_EXT_ACK)
        setOption(NETLINK_CAP_ACK)
    }

    deinit {
        mnl_socket_close(handle)
        received.deallocate()
    }

    /// The descriptor to wait on with `poll`, for as long as the socket is open.
    public var descriptor: Int32 { mnl_socket_get_fd(handle) }

    /// Options that old kernels lack are left off: answers are then less detailed, never wrong.
    private func setOption(_ option: Int32) {
        var one: Int32 = 1
        _ = mnl_socket_setsockopt(handle, option, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The number of the socket's network namespace, which no other gets while the machine runs; nil if the kernel does not
    /// say (SO_NETNS_COOKIE, Linux 5.14).
    public var namespaceCookie: UInt64? {
        var cookie: UInt64 = 0
        var length = socklen_t(MemoryLayout<UInt64>.size)
        return getsockopt(descriptor, SOL_SOCKET, namespaceCookieOption, &cookie, &length) == 0 ? cookie : nil
    }

    /// A sequence number that nothing else uses.
    private mutating func takeSequence() -> UInt32 {
        sequence = sequence &+ 1
        return sequence
    }

    // MARK: - Listening

    /// Asks for a group of messages that the kernel sends unasked (`enum nfnetlink_groups` and the like).
    ///
    /// - Parameter bufferSize: bytes that may wait here before the kernel throws messages away.
    public func join(group: UInt32, bufferSize: Int32) throws(NetlinkError) {
        var size = bufferSize
        if setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size)) != 0 {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        try join(group: group)
    }

    /// The same with as much room as there is.
    public func join(group: UInt32) throws(NetlinkError) {
        var group = group
        let length = socklen_t(MemoryLayout<UInt32>.size)
        guard mnl_socket_setsockopt(handle, NETLINK_ADD_MEMBERSHIP, &group, length) == 0 else {
            throw .last("listening to the kernel")
        }
    }

    /// Asks for a group no longer. What waits already is still handed out.
    public func leave(group: UInt32) throws(NetlinkError) {
        var group = group
        let length = socklen_t(MemoryLayout<UInt32>.size)
        guard mnl_socket_setsockopt(handle, NETLINK_DROP_MEMBERSHIP, &group, length) == 0 else {
            throw .last("listening to the kernel no longer")
        }
    }

    /// Hands every message that waits to a closure, and does not wait for more.
    ///
    /// - Throws: `ENOBUFS` if the kernel had to throw messages away; those that are still there come with the next call.
    public mutating func receiveWaiting(_ operation: String, onMessage: (Message) -> Void) throws(NetlinkError) {
        while let bytes = try receive(wait: false, operation) {
            for message in MessageReader(bytes) { onMessage(message) }
        }
    }

    // MARK: - Sending

    /// Sends bytes as one datagram, which the kernel works through before the call returns.
    private func send(_ bytes: UnsafeRawBufferPointer, _ operation: String) throws(NetlinkError) {
        try reserveSendBuffer(bytes.count, operation)
        while mnl_socket_sendto(handle, bytes.baseAddress, bytes.count) < 0 {
            guard errno == EINTR else { throw .last(operation) }
        }
    }

    /// The kernel refuses a datagram that is larger than the socket's buffer (EMSGSIZE).
    private func reserveSendBuffer(_ count: Int, _ operation: String) throws(NetlinkError) {
        var current: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &current, &length)
        let needed = count + 4096
        guard Int(current) < needed else { return }
        guard var wanted = Int32(exactly: needed) else { throw NetlinkError(errno: EMSGSIZE, operation: operation) }
        if setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, length) != 0 {
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &wanted, length)
        }
    }

    // MARK: - Receiving

    /// Makes room for so many bytes of answers, as the kernel counts them: with what it allocates for each.
    ///
    /// - Returns: the room that there is; less without CAP_NET_ADMIN, if the system's limit is lower.
    public func reserveReceiveBuffer(_ count: Int) -> Int {
        guard receiveBufferSize < count else { return receiveBufferSize }
        // The kernel doubles what it is given.
        var wanted = Int32(clamping: count / 2 + 1)
        let length = socklen_t(MemoryLayout<Int32>.size)
        if setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, length) != 0 {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &wanted, length)
        }
        return receiveBufferSize
    }

    private var receiveBufferSize: Int {
        var size: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, &length)
        return Int(size)
    }

    /// One datagram of the kernel's, or nil if none is waiting and `wait` is false.
    private func receive(wait: Bool, _ operation: String) throws(NetlinkError) -> UnsafeRawBufferPointer? {
        while true {
            let flags = wait ? 0 : Int32(MSG_DONTWAIT)
            let count = recv(descriptor, received.baseAddress, received.count, flags)
            if count >= 0 { return UnsafeRawBufferPointer(rebasing: received[..<count]) }
            switch errno {
            case EINTR: continue
            case EAGAIN where !wait: return nil
            default: throw .last(operation)
            }
        }
    }

    /// Sends a batch of messages and collects every answer: refusals, and what was asked to be acknowledged.
    ///
    /// The kernel answers within the call, so that once nothing more is waiting, all is said.
    ///
    /// - Parameter needsAll: whether to throw ENOBUFS if some answers were lost, instead of only if all were.
    public mutating func commit(
        _ batch: borrowing MessageBuffer, operation: String, needsAll: Bool = false
    ) throws(NetlinkError) -> [ErrorMessage] {
        try drain(operation)
        try batch.unsafeBytes { (bytes) throws(NetlinkError) in try send(bytes, operation) }
        var answers: [ErrorMessage] = []
        var overrun: NetlinkError?
        while true {
            do {
                guard let bytes = try receive(wait: false, operation) else { break }
                for message in MessageReader(bytes) {
                    if let answer = ErrorMessage(message) { answers.append(answer) }
                }
            } catch {
                // More answers than the socket could hold. The kernel says so first; the earliest answers, which tell
                // most, are still waiting.
                guard error.errno == ENOBUFS, overrun == nil else { throw error }
                overrun = error
            }
        }
        if answers.isEmpty || needsAll, let overrun { throw overrun }
        return answers
    }

    /// Throws away what earlier, failed exchanges have left.
    private func drain(_ operation: String) throws(NetlinkError) {
        while true {
            do {
                guard try receive(wait: false, operation) != nil else { return }
            } catch {
                guard error.errno == ENOBUFS else { throw error }
            }
        }
    }

    /// Sends one request and hands each message of the answer to a closure, until the kernel says it is done.
    ///
    /// - Throws: `EINTR` if the list changed while it was dumped: ask again.
    public mutating func request(
        type: UInt16, flags: MessageFlags, operation: String,
        _ write: (inout MessageBuffer) -> Void, onMessage: (Message) -> Void
    ) throws(NetlinkError) {
        try drain(operation)
        let sequence = takeSequence()
        var buffer = MessageBuffer()
        buffer.message(type: type, flags: flags.union(.request), sequence: sequence, write)
        try buffer.unsafeBytes { (bytes) throws(NetlinkError) in try send(bytes, operation) }

        var interrupted = false
        while let bytes = try receive(wait: true, operation) {
            for message in MessageReader(bytes) where message.sequence == sequence {
                if message.flags.contains(.dumpInterrupted) { interrupted = true }
                switch message.type {
                case MessageType.done:
                    if let errno = message.dumpErrno { throw NetlinkError(errno: errno, operation: operation) }
                    if interrupted { throw NetlinkError(errno: EINTR, operation: operation) }
                    return
                case MessageType.error:
                    guard let answer = ErrorMessage(message), answer.errno != 0 else { return }
                    throw NetlinkError(
                        errno: answer.errno, operation: operation, message: answer.message,
                        sequence: answer.sequence, offset: answer.offset)
                default:
                    onMessage(message)
                    if !message.flags.contains(.multi), !flags.contains(.acknowledge) { return }
                }
            }
        }
    }
}

/// `SO_NETNS_COOKIE`, newer than the headers that this is built with.
private let namespaceCookieOption: Int32 = 71
