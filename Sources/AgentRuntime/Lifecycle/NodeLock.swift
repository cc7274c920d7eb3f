internal import Glibc
internal import Netlink

/// Makes sure that one agent runs on a node, that is in a network namespace, and on a socket's path. The kernel lets go of
/// both locks when the process ends, however it ends.
final class NodeLock: Sendable {
    /// A name that belongs to the network namespace and can be had once.
    private static let name = "@svcctl-agent"
    /// How many may have asked who has the name since somebody last let them go.
    private static let mostCallers: Int32 = 256

    private let namespaceLock: Int32
    private let fileLock: Int32

    /// - Throws: ``CannotStart`` if another agent has one of the locks.
    init(socketPath: String) throws(CannotStart) {
        // What was locked before an error stays so until the process ends, which it does then.
        let namespaceLock = try Self.lockNamespace()
        fileLock = try Self.lockFile(socketPath + ".lock")
        self.namespaceLock = namespaceLock
    }

    deinit {
        close(namespaceLock)
        close(fileLock)
    }

    /// Lets go of those who asked. They have learnt what they wanted from the kernel, and must not pile up.
    func dismissCallers() {
        while case let caller = accept(namespaceLock, nil, nil), caller >= 0 { close(caller) }
    }

    private static func lockNamespace() throws(CannotStart) -> Int32 {
        let descriptor = openSocket()
        guard descriptor >= 0, var address = UnixAddress(name) else { throw CannotStart(.cannotLock(lastError)) }
        if address.withPointer({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, mostCallers) == 0 {
            return descriptor
        }
        let number = errno
        defer { close(descriptor) }
        guard number == EADDRINUSE else { throw CannotStart(.cannotLock(String(cString: strerror(number)))) }
        let owner = owner(&address)
        // Anybody can take the name, but only root can run an agent, and nobody else may keep it from running.
        if let owner, owner.user != 0, owner.user != geteuid() { return -1 }
        // From another namespace of processes, such as another pod, it shows as 0.
        throw CannotStart(.onThisNode(owner.flatMap { $0.process == 0 ? nil : $0.process }))
    }

    /// Who has the name: the process that listens there, or, if nobody lets us in, whose socket it is. Nil if even that is not
    /// known.
    private static func owner(_ address: inout UnixAddress) -> (process: Int32, user: UInt32)? {
        if let listener = listener(&address) { return listener }
        return UnixSocketOwner.user(ofSocketNamed: [0] + name.utf8.dropFirst()).map { (0, $0) }
    }

    private static func listener(_ address: inout UnixAddress) -> (process: Int32, user: UInt32)? {
        let descriptor = openSocket()
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard address.withPointer({ connect(descriptor, $0, $1) }) == 0 else { return nil }
        // struct ucred (linux/socket.h), which Glibc shows to GNU programs only.
        var credentials: (pid: Int32, uid: UInt32, gid: UInt32) = (0, 0, 0)
        var length = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else { return nil }
        return (credentials.pid, credentials.uid)
    }

    /// It never blocks.
    private static func openSocket() -> Int32 {
        socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    }

    private static func lockFile(_ path: String) throws(CannotStart) -> Int32 {
        makeDirectory(of: path)
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw CannotStart(.cannotLock("\(path): \(lastError)")) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
        let number = errno
        close(descriptor)
        guard number == EWOULDBLOCK else {
            throw CannotStart(.cannotLock("\(path): \(String(cString: strerror(number)))"))
        }
        throw CannotStart(.onThisSocket(path))
    }

    /// Where systemd does not make it.
    private static func makeDirectory(of path: String) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        mkdir(String(path[..<slash]), 0o755)
    }

    private static var lastError: String { String(cString: strerror(errno)) }
}
