internal import Glibc

/// The kernel's settings (sysctl(8)), as the calling thread's network namespace has them.
public enum Sysctl {
    /// Reads a setting, without the line's end.
    ///
    /// - Parameter name: `net.ipv4.ip_forward`, or `net/ipv4/ip_forward`. A dot within a part, such as in an
    ///   interface's name, is a slash in the first form: `net.ipv4.conf.eth0/100.rp_filter`.
    public static func read(_ name: String) throws(SysctlError) -> String {
        let descriptor = open(path(of: name), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SysctlError(name, errno: errno) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw SysctlError(name, errno: errno) }
        let content = bytes.prefix(count)
        return String(decoding: content.last == UInt8(ascii: "\n") ? content.dropLast() : content, as: UTF8.self)
    }

    /// Sets a setting.
    public static func write(_ name: String, _ value: String) throws(SysctlError) {
        let descriptor = open(path(of: name), O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SysctlError(name, value: value, errno: errno) }
        defer { close(descriptor) }
        let bytes = Array(value.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw SysctlError(name, value: value, errno: errno)
        }
    }

    static func path(of name: String) -> String {
        // The first of the two tells which one separates.
        guard name.first(where: { $0 == "." || $0 == "/" }) == "." else { return "/proc/sys/\(name)" }
        return "/proc/sys/"
            + String(
                name.map { character in
                    switch character {
                    case ".": "/"
                    case "/": "."
                    default: character
                    }
                })
    }
}

/// Why a setting could not be read or written.
public struct SysctlError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// There is no such setting; the module, where it is known, would bring it.
        case absent(module: String?)
        case notPermitted
        /// The kernel does not take the value (EINVAL, ERANGE), or another errno.
        case refused(errno: Int32)
    }

    public let name: String
    /// What was to be written; nil when reading.
    public let value: String?
    public let reason: Reason

    init(_ name: String, value: String? = nil, errno: Int32) {
        self.name = name
        self.value = value
        switch errno {
        case ENOENT, ENOTDIR: reason = .absent(module: Self.module(of: name))
        case EACCES, EPERM, EROFS: reason = .notPermitted
        default: reason = .refused(errno: errno)
        }
    }

    /// The module with which a part of the tree comes and goes.
    private static func module(of name: String) -> String? {
        let parts = name.split { $0 == "." || $0 == "/" }
        guard parts.first == "net" else { return nil }
        switch parts.dropFirst().prefix(2) {
        case ["ipv4", "vs"]: return "ip_vs"
        case let rest where rest.first == "bridge": return "br_netfilter"
        case let rest where rest.first == "netfilter": return "nf_conntrack"
        case let rest where rest.first == "ipv6": return "ipv6"
        default: return nil
        }
    }
}

extension SysctlError: CustomStringConvertible {
    public var description: String { "\(name)\(value.map { " = \($0)" } ?? "") \(sentence)" }

    /// What is wrong, to follow the name.
    public var sentence: String {
        switch reason {
        case .absent(let module?): "is not there, for the kernel has no module \(module) or has not loaded it"
        case .absent(module: nil): "is not there"
        case .notPermitted: "is not permitted to us"
        case .refused(let errno): "fails with \(String(cString: strerror(errno)))"
        }
    }
}
