internal import CNetfilter
internal import Glibc

/// What went wrong between us and the kernel.
public struct NetlinkError: Error, Hashable, Sendable {
    /// A positive errno.
    public let errno: Int32
    /// What was being done, for example `opening a netlink socket`.
    public let operation: String
    /// The kernel's own sentence, if it gave one.
    public let message: String?
    /// The sequence number of the refused request; nil if no single request is at fault.
    public let sequence: UInt32?
    /// Where in the refused request the offending attribute begins, in bytes from its header.
    public let offset: Int?

    public init(
        errno: Int32, operation: String, message: String? = nil, sequence: UInt32? = nil, offset: Int? = nil
    ) {
        self.errno = errno
        self.operation = operation
        self.message = message
        self.sequence = sequence
        self.offset = offset
    }

    /// The current thread's errno, after a failed call.
    static func last(_ operation: String) -> NetlinkError {
        NetlinkError(errno: Glibc.errno, operation: operation)
    }

    /// The errno's name and meaning, for example `ENOENT (No such file or directory)`.
    public var reason: String {
        let name = strerrorname_np(errno).map { String(cString: $0) } ?? "errno \(errno)"
        let meaning = strerrordesc_np(errno).map { String(cString: $0) } ?? "unknown error"
        return "\(name) (\(meaning))" + (message.map { ": \($0)" } ?? "")
    }

    /// Whether the caller lacks the privilege (EPERM, EACCES).
    public var isPermission: Bool { errno == EPERM || errno == EACCES }
    /// Whether the kernel's state changed since it was read (ERESTART, EAGAIN, EINTR).
    public var isStale: Bool { errno == ERESTART || errno == EAGAIN || errno == EINTR }
    /// Whether the kernel does not know what it was asked for (EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT).
    public var isUnsupported: Bool { [EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT].contains(errno) }
    /// Whether a kernel that lacks a feature could have said this: unknown expressions and chain types are reported as
    /// absent (ENOENT), unknown attributes as invalid (EINVAL).
    public var mayMeanMissingFeature: Bool { isUnsupported || isAbsent || errno == EINVAL }
    /// Whether the kernel had to throw messages away (ENOBUFS).
    public var isOverrun: Bool { errno == ENOBUFS }
    /// Whether the object is still needed by another (EBUSY).
    public var isInUse: Bool { errno == EBUSY }
    /// Whether the object exists already (EEXIST).
    public var isPresent: Bool { errno == EEXIST }
    /// Whether the object does not exist (ENOENT).
    public var isAbsent: Bool { errno == ENOENT }
}

extension NetlinkError: CustomStringConvertible {
    public var description: String { "\(operation): \(reason)" }
}
