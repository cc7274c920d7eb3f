internal import Glibc

/// Has the kernel load modules before it would do so by itself at a bad moment.
///
/// For a scheduler that it does not know, IPVS runs modprobe while it holds its own lock. The modules of `lblc` and
/// `lblcr` register with every network namespace, which waits for namespaces that are being taken down, which wait for
/// IPVS's lock: generic netlink and all namespaces stand still until the machine is started anew (seen on Linux 6.1).
/// So these modules are loaded before, while no lock is held.
struct ModuleLoader {
    private var asked: Set<String> = []

    /// Loads a module unless it is there.
    ///
    /// - Returns: false if it may exist but cannot be loaded for lack of CAP_SYS_MODULE. True says that IPVS may be
    ///   asked for it: it is there, or nowhere.
    mutating func prepare(_ module: String) -> Bool {
        if Self.isLoaded(module) || asked.contains(module) { return true }
        Self.load(module)
        guard Self.isLoaded(module) || Self.mayLoadModules else { return false }
        // One that is built in does not show, and one that does not exist is not asked for twice.
        asked.insert(module)
        return true
    }

    static func isLoaded(_ module: String) -> Bool { access("/sys/module/\(module)", F_OK) == 0 }

    /// Asks for a network device of the module's name, for which the kernel runs modprobe (dev_load in
    /// net/core/dev_ioctl.c): that works from within a container that has neither modprobe nor modules.
    private static func load(_ module: String) {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // struct ifreq: 16 bytes for the name, and a union. No such device comes of it, and the answer says nothing.
        let name = module.utf8.prefix(15)
        var request = Array(name) + Array(repeating: 0, count: 40 - name.count)
        request.withUnsafeMutableBytes { bytes in
            guard let address = bytes.baseAddress else { return }
            _ = ioctl(descriptor, UInt(SIOCGIFFLAGS), address)
        }
    }

    /// Whether the calling thread has CAP_SYS_MODULE, as far as proc(5) tells.
    private static var mayLoadModules: Bool {
        let descriptor = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        let lines = bytes.prefix(max(count, 0)).split(separator: UInt8(ascii: "\n"))
        let name = Array("CapEff:\t".utf8)
        guard let line = lines.first(where: { $0.starts(with: name) }),
            let effective = UInt64(String(decoding: line.dropFirst(name.count), as: UTF8.self), radix: 16)
        else { return false }
        return effective & 1 << capabilityToLoadModules != 0
    }
}

/// `CAP_SYS_MODULE` (linux/capability.h).
private let capabilityToLoadModules: UInt64 = 16
