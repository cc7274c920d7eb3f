public import NetAddress
public import ServicePlan

/// What `svcctl agent` is told to do, by its configuration file and its flags.
public struct AgentSettings: Hashable, Sendable {
    public var backend = "nftables"
    /// The name of a level of swift-log.
    public var logLevel = "info"
    public var node = NodeFacts()
    public var masqueradeBit = 14
    public var sources: [SourceAddress] = []
    public var etcd = EtcdAccess()
    public var schedule = SyncSchedule.Settings()
    /// Whether the tables are owned, so that nobody else can change them.
    public var protects = false
    public var setsSysctls = false
    public var cleansUpOnExit = false
    public var metricsAddress = ListenAddress(address: IPAddress(ipv4: 0x7f00_0001), port: 10249)
    public var healthAddress = ListenAddress(address: IPAddress(ipv4: 0), port: 10256)
    /// The path of the socket where the agent answers `svcctl status` and `svcctl events`.
    public var socket = "/run/svcctl/agent.sock"

    public init() {}
}

/// Where definitions come from (`--source`).
public enum SourceAddress: Hashable, Sendable {
    /// `file:PATH`.
    case file(String)
    /// `etcd:http[s]://HOST:PORT[,HOST:PORT…][/PREFIX]`, without the `etcd:`.
    case etcd(String)
}

extension SourceAddress: CustomStringConvertible {
    /// As it is written.
    public var description: String {
        switch self {
        case .file(let path): "file:\(path)"
        case .etcd(let url): "etcd:\(url)"
        }
    }
}

/// How to prove to etcd who we are. The password stands in a file, so that it shows in no list of processes.
public struct EtcdAccess: Hashable, Sendable {
    public var user: String?
    public var passwordFile: String?
    /// Paths of PEM files.
    public var caFile: String?
    public var certificateFile: String?
    public var keyFile: String?

    public init() {}
}

/// An address and a port to listen on.
public struct ListenAddress: Hashable, Sendable {
    public var address: IPAddress
    public var port: UInt16

    public init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension ListenAddress: CustomStringConvertible {
    /// `127.0.0.1:10249`, `[::1]:10249`.
    public var description: String { address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
