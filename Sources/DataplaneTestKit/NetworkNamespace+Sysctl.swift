import Glibc

extension NetworkNamespace {
    /// Sets a network setting of the namespace, such as `net.ipv4.ip_forward` or `net/ipv4/ip_forward`.
    public func sysctl(_ path: String, _ value: String) throws {
        try run { try Self.write(value, to: path) }
    }

    /// Reads a network setting of the namespace.
    public func sysctl(_ path: String) throws -> String {
        try run {
            let file = try Descriptor("open \(path)", open(Self.file(of: path), O_RDONLY | O_CLOEXEC))
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = try check(
                "read \(path)", buffer.withUnsafeMutableBytes { read(file.number, $0.baseAddress, $0.count) })
            let text = String(decoding: buffer.prefix(count), as: UTF8.self)
            return text.hasSuffix("\n") ? String(text.dropLast()) : text
        }
    }

    /// A new namespace inherits some of the machine's settings (net.core.devconf_inherit_init_net); tests must not.
    /// A setting that this kernel lacks is left out. Call it on a thread inside of the namespace.
    static func applyDefaults() throws {
        for (path, value) in defaults {
            do { try write(value, to: path) } catch let error as SystemCallError where error.number == ENOENT {}
        }
    }

    private static let defaults = [
        // A host, not a router: packets for others end here, and two default routes at each other make no loop.
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv6.conf.all.forwarding", "0"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.default.rp_filter", "0"),
        // IPv6 addresses, link-local ones too, are good at once: detecting duplicates takes over a second.
        ("net.ipv6.conf.all.disable_ipv6", "0"),
        ("net.ipv6.conf.default.disable_ipv6", "0"),
        ("net.ipv6.conf.all.accept_dad", "0"),
        ("net.ipv6.conf.default.accept_dad", "0"),
        ("net.ipv6.conf.default.accept_ra", "0"),
        ("net.ipv6.conf.default.router_solicitations", "0"),
        // After six ICMP answers in a row to one address the rest would be kept back, and "refused" become silence.
        ("net.ipv4.icmp_ratelimit", "0"),
        ("net.ipv6.icmp.ratelimit", "0"),
        ("net.ipv4.icmp_msgs_per_sec", "1000000"),
        ("net.ipv4.icmp_msgs_burst", "1000000"),
    ]

    /// /proc/sys/net is a view of the namespace of the thread that opens it.
    private static func write(_ value: String, to path: String) throws {
        let file = try Descriptor("open \(path)", open(Self.file(of: path), O_WRONLY | O_CLOEXEC))
        let bytes = Array(value.utf8)
        try check("write \(path)", bytes.withUnsafeBytes { Glibc.write(file.number, $0.baseAddress, $0.count) })
    }

    /// A path with slashes is taken as it is, since an interface's name may hold a dot.
    private static func file(of path: String) -> String {
        "/proc/sys/" + (path.contains("/") ? path : String(path.map { $0 == "." ? "/" : $0 }))
    }
}
