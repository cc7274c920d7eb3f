/// A scheduler that the kernel has, or may have as a module (net/netfilter/ipvs/Kconfig).
public struct Scheduler: Hashable, Sendable {
    /// The kernel's name.
    public let name: String
    /// What its flags are called, as ipvsadm's `-b` has them.
    public let flags: [Flag]

    /// A flag of a scheduler's.
    public struct Flag: Hashable, Sendable {
        public let name: String
        public let flag: VirtualServer.Flags
    }

    private init(_ name: String, _ flags: KeyValuePairs<String, VirtualServer.Flags> = [:]) {
        self.name = name
        self.flags = flags.map { Flag(name: $0.key, flag: $0.value) }
    }

    /// The kernel module.
    public var module: String { Self.module(of: name) }

    /// The module that the kernel tries to load for a name that it does not know.
    public static func module(of name: String) -> String { "ip_vs_\(name)" }

    /// Whether the module registers with every network namespace, and so must not be loaded by IPVS itself: see
    /// ``ModuleLoader``.
    static func registersWithNamespaces(_ name: String) -> Bool { name == "lblc" || name == "lblcr" }

    /// All of Linux 6.18: the kernel at hand may lack some. `mh` came with 4.18, `twos` with 5.13.
    public static let known = [
        Scheduler("rr"), Scheduler("wrr"), Scheduler("lc"), Scheduler("wlc"),
        Scheduler("sh", ["sh-fallback": .fallback, "sh-port": .sourcePort]),
        Scheduler("dh"), Scheduler("sed"), Scheduler("nq"), Scheduler("lblc"), Scheduler("lblcr"),
        Scheduler("mh", ["mh-fallback": .fallback, "mh-port": .sourcePort]),
        Scheduler("fo"), Scheduler("ovf"), Scheduler("twos"),
    ]

    /// The known scheduler of a name.
    public static func named(_ name: String) -> Scheduler? { known.first { $0.name == name } }
}
