internal import Glibc
internal import Synchronization

/// Tells the service manager how things stand (sd_notify(3)): datagrams to the socket that it names in the environment.
/// Without one, nothing is sent.
final class SystemdNotifier: Sendable {
    private struct State {
        var isReady = false
        var isReloading = false
        var status: String?
        var lastBeat: ContinuousClock.Instant?
    }

    private let path: String?
    /// How often the service manager wants to hear that the agent is alive; nil if it does not.
    let watchdog: Duration?
    private let state = Mutex(State())

    init(environment: (String) -> String? = { getenv($0).map { String(cString: $0) } }) {
        path = environment("NOTIFY_SOCKET").flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        let isForUs = environment("WATCHDOG_PID").map { $0 == String(getpid()) } ?? true
        let microseconds = environment("WATCHDOG_USEC").flatMap(Int64.init) ?? 0
        watchdog = path != nil && isForUs && microseconds > 0 ? .microseconds(microseconds) : nil
    }

    /// The first full state stands in the kernel, or it takes too long to wait for it.
    func isReady(_ text: String) {
        let isFirst = state.withLock { state in
            guard !state.isReady else { return false }
            (state.isReady, state.status) = (true, text)
            return true
        }
        if isFirst { send("READY=1\nSTATUS=\(Self.line(text))") } else { status(text) }
    }

    /// How things stand, for people. The service manager hears only of what is new.
    func status(_ text: String) {
        let isNew = state.withLock { state in
            defer { state.status = text }
            return state.status != text
        }
        if isNew { send("STATUS=\(Self.line(text))") }
    }

    /// The loop is awake; the service manager hears of it at half of the time that it would wait.
    func isAlive() {
        guard let watchdog else { return }
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            if let last = state.lastBeat, now - last < watchdog / 3 { return false }
            state.lastBeat = now
            return true
        }
        if isDue { send("WATCHDOG=1") }
    }

    /// The configuration is read again. The end of a reload is told by the same word as the end of the start, so nothing is
    /// said while the start goes on.
    func isReloading() {
        let isStarted = state.withLock { state in
            state.isReloading = state.isReady
            return state.isReady
        }
        guard isStarted else { return }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let microseconds = Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
        send("RELOADING=1\nMONOTONIC_USEC=\(microseconds)")
    }

    func hasReloaded() {
        let wasTold = state.withLock { state in
            defer { state.isReloading = false }
            return state.isReloading
        }
        if wasTold { send("READY=1") }
    }

    func isStopping() { send("STOPPING=1") }

    private static func line(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

    private func send(_ text: String) {
        guard let path, var address = UnixAddress(path) else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        address.withPointer { pointer, length in
            _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), pointer, length)
        }
    }
}

/// A `sockaddr_un`: a path, or with `@` in front a name that belongs to the network namespace (unix(7)).
struct UnixAddress {
    private var address = sockaddr_un()
    private let length: socklen_t

    /// Nil if the name is too long.
    init?(_ name: String) {
        var bytes = Array(name.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < capacity else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let offset = MemoryLayout<sockaddr_un>.size - capacity
        // A path ends with a zero byte; a name is as long as it is.
        length = socklen_t(offset + bytes.count + (isAbstract ? 0 : 1))
    }

    mutating func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        let length = length
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
