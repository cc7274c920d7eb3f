public import Dataplane
internal import Glibc

extension IPVSBackend {
    /// What IPVS itself must be set to (semantics 59).
    public static var kernelSettings: [KernelSetting] {
        func setting(_ name: String, _ value: String, _ harm: String) -> KernelSetting {
            KernelSetting(name: "net.ipv4.vs." + name, value: value, harm: harm)
        }
        let always = [
            setting("conntrack", "1", "nothing that IPVS forwards is masqueraded, so that answers get lost"),
            setting("expire_nodest_conn", "1", "clients of an endpoint that is gone wait instead of finding another"),
            setting(
                "expire_quiescent_template", "1", "clients that are remembered keep coming to an endpoint that leaves"),
        ]
        guard let version = kernelVersion, version >= (4, 1), version < (5, 9) else { return always }
        return always + [
            setting("conn_reuse_mode", "0", "a client that uses a port again waits for a second")
        ]
    }

    private static var kernelVersion: (major: Int, minor: Int)? {
        var name = utsname()
        guard uname(&name) == 0 else { return nil }
        let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else { return nil }
        return (numbers[0], numbers[1])
    }
}
