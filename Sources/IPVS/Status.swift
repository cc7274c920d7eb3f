/// What the kernel has counted since an object was made, in 64 bits where it has them (Linux 4.1). It adds up every two
/// seconds what the processors have counted, so that the newest may be missing.
public struct Statistics: Hashable, Sendable {
    /// Connections that were scheduled.
    public var connections: UInt64 = 0
    public var incomingPackets: UInt64 = 0
    public var outgoingPackets: UInt64 = 0
    public var incomingBytes: UInt64 = 0
    public var outgoingBytes: UInt64 = 0
    public var rates = Rates()

    public init() {}

    /// The same for each second, as the kernel estimates it.
    public struct Rates: Hashable, Sendable {
        public var connections: UInt64 = 0
        public var incomingPackets: UInt64 = 0
        public var outgoingPackets: UInt64 = 0
        public var incomingBytes: UInt64 = 0
        public var outgoingBytes: UInt64 = 0

        public init() {}
    }
}

/// A virtual server as the kernel lists it.
public struct VirtualServerStatus: Hashable, Sendable {
    public var server: VirtualServer
    public var statistics: Statistics

    public init(server: VirtualServer, statistics: Statistics = Statistics()) {
        self.server = server
        self.statistics = statistics
    }
}

/// A real server as the kernel lists it.
public struct RealServerStatus: Hashable, Sendable {
    public var server: RealServer
    /// Established connections.
    public var activeConnections: UInt32 = 0
    /// Connections that are remembered in any other state; for UDP, all.
    public var inactiveConnections: UInt32 = 0
    /// Clients that keep this server.
    public var persistentConnections: UInt32 = 0
    public var statistics = Statistics()

    public init(server: RealServer) { self.server = server }
}

/// After how many seconds connections are forgotten that nothing is heard of.
public struct Timeouts: Hashable, Sendable {
    /// Established connections of TCP.
    public var tcp: UInt32
    /// Connections of TCP after a FIN.
    public var tcpFin: UInt32
    public var udp: UInt32

    public init(tcp: UInt32, tcpFin: UInt32, udp: UInt32) {
        self.tcp = tcp
        self.tcpFin = tcpFin
        self.udp = udp
    }
}

/// What the kernel says of its IPVS.
public struct Information: Hashable, Sendable {
    /// Three numbers, one in each of the lower bytes: 0x010201 is 1.2.1.
    public var version: UInt32
    /// How many buckets the table of connections has.
    public var connectionTableSize: UInt32

    public init(version: UInt32, connectionTableSize: UInt32) {
        self.version = version
        self.connectionTableSize = connectionTableSize
    }

    /// For example `1.2.1`.
    public var versionText: String { "\(version >> 16 & 0xff).\(version >> 8 & 0xff).\(version & 0xff)" }
}
