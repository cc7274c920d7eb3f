internal import Glibc

/// What the kernel has loaded, told without loading it.
enum KernelModules {
    /// The file is there as soon as IPVS is (net/netfilter/ipvs/ip_vs_ctl.c).
    static var hasIPVS: Bool { access("/proc/net/ip_vs", F_OK) == 0 }
    /// Also where it is built in, since it has a parameter.
    static var hasIPSet: Bool { access("/sys/module/ip_set", F_OK) == 0 }
}
