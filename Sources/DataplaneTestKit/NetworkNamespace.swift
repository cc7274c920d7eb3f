import CNamespaces
import Glibc

/// A network namespace without a name in the file system.
///
/// A descriptor of this process is all that holds it, so it goes with the last reference to this object, and with the
/// process however that ends: there is nothing to clean up. Making one takes root, or a user namespace in which the
/// process is root (`unshare -rn`).
public final class NetworkNamespace: Sendable {
    /// What the namespace is called in error messages.
    public let name: String
    private let descriptor: Descriptor

    /// Makes a namespace with its loopback interface up and settings that do not depend on the machine.
    public init(_ name: String = "namespace") throws {
        self.name = name
        descriptor = try WorkerThread.run {
            try check("unshare", thread_unshare_network())
            return try Descriptor("open", open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))
        }
        try run {
            try Self.applyDefaults()
            try Links.bringUp("lo")
        }
    }

    /// Where `ip`'s `netns` argument and other programs find the namespace while this object lives.
    public var path: String { "/proc/\(getpid())/fd/\(descriptor.number)" }

    /// Runs a body on a thread of its own inside of the namespace, and waits for it.
    ///
    /// Sockets that it opens and processes that it starts belong to the namespace for good, whoever uses them later.
    /// The calling thread's namespace never changes.
    public func run<Output: Sendable & ~Copyable>(_ body: @Sendable () throws -> Output) throws -> Output {
        try WorkerThread.run {
            try check("setns", thread_enter_network(descriptor.number))
            return try body()
        }
    }

    /// The same without any privilege, as an ordinary user's process would be there.
    public func runWithoutPrivilege<Output: Sendable>(_ body: @Sendable () throws -> Output) throws -> Output {
        try run {
            try check("capset", thread_drop_capabilities())
            return try body()
        }
    }

    /// The kernel's number for the namespace; two objects with the same number are the same namespace.
    public func inode() throws -> UInt64 { try Self.inode(of: path) }

    /// The number of the namespace that the calling thread is in.
    public static func currentInode() throws -> UInt64 { try inode(of: "/proc/thread-self/ns/net") }

    private static func inode(of path: String) throws -> UInt64 {
        var status = stat()
        try check("stat", stat(path, &status))
        return UInt64(status.st_ino)
    }
}
