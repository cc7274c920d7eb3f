internal import Glibc

/// What the kernel has loaded, told without loading it.
enum KernelModules {
    /// The file is there as soon as IPVS is (net/netfilter/ipvs/ip_vs_ctl.c).
    static var hasIPVS: Bool { access("/proc/net/ip_vs", F_OK) == 0 }
    /// Also where it is built in, since it has a parameter.
    static var hasIPSet: Bool { access("/sys/module/ip_set", F_OK) == 0 }

    /// Whether there is IPv6 at all. A kernel that was started without it (`ipv6.disable=1`) takes sets and rules for it, but
    /// no addresses and no virtual servers.
    static let hasIPv6: Bool = {
        let descriptor = socket(AF_INET6, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return errno != EAFNOSUPPORT }
        close(descriptor)
        return true
    }()
}
