public import NetAddress

/// What makes a real server one of its own among those of a virtual server.
public struct RealServerID: Hashable, Sendable {
    public var address: IPAddress
    public var port: UInt16

    public init(_ address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension RealServerID: Comparable {
    public static func < (left: RealServerID, right: RealServerID) -> Bool {
        (left.address, left.port) < (right.address, right.port)
    }
}

/// A real server of a virtual server, as IPVS has it.
public struct RealServer: Hashable, Sendable {
    public var address: IPAddress
    /// 0, for a virtual server of a mark or of all ports, is the port that the client asked for. Only masquerading can
    /// change a port; for other methods ipvsadm puts the virtual server's in its place when it loads a line.
    public var port: UInt16
    /// Its share; with 0 it keeps its connections and gets no more. The kernel refuses more than `Int32.max`.
    public var weight: UInt32
    /// How packets get there.
    public var forwarding: ForwardingMethod
    /// With so many connections it gets no more; 0 is no limit.
    public var upperThreshold: UInt32
    /// Below so many it gets more again; 0 lets the kernel choose. Never above the upper one.
    public var lowerThreshold: UInt32
    /// Of meaning with ``ForwardingMethod/tunnel`` only.
    public var tunnel: Tunnel

    public init(
        _ address: IPAddress, port: UInt16, weight: UInt32 = 1, forwarding: ForwardingMethod = .masquerade,
        upperThreshold: UInt32 = 0, lowerThreshold: UInt32 = 0, tunnel: Tunnel = .ipip
    ) {
        self.address = address
        self.port = port
        self.weight = weight
        self.forwarding = forwarding
        self.upperThreshold = upperThreshold
        self.lowerThreshold = lowerThreshold
        self.tunnel = tunnel
    }

    public var id: RealServerID { RealServerID(address, port: port) }
}

/// How packets get to a real server: `IP_VS_CONN_F_*` under `IP_VS_CONN_F_FWD_MASK` (linux/ip_vs.h).
public enum ForwardingMethod: Hashable, Sendable {
    /// The destination is translated, and so is the answer's source.
    case masquerade
    /// Delivered to this node itself.
    case local
    /// Put into a packet of its own: see ``Tunnel``.
    case tunnel
    /// Sent on unchanged to the real server's hardware address.
    case direct
    /// One that the kernel has and we have no name for.
    case other(UInt32)

    /// From the kernel's number.
    public init(number: UInt32) {
        self =
            switch number {
            case 0: .masquerade
            case 1: .local
            case 2: .tunnel
            case 3: .direct
            default: .other(number)
            }
    }

    /// The kernel's number.
    public var number: UInt32 {
        switch self {
        case .masquerade: 0
        case .local: 1
        case .tunnel: 2
        case .direct: 3
        case .other(let number): number
        }
    }
}

/// What packets are put into on their way to a real server (Linux 5.3; before, always IPIP).
public struct Tunnel: Hashable, Sendable {
    public var kind: Kind
    /// The destination port of GUE, where the kernel needs one; 0 for the others.
    public var port: UInt16
    /// For GUE and GRE.
    public var checksum: Checksum

    public init(_ kind: Kind, port: UInt16 = 0, checksum: Checksum = []) {
        self.kind = kind
        self.port = port
        self.checksum = checksum
    }

    /// An IP packet within an IP packet.
    public static let ipip = Tunnel(.ipip)

    /// `IP_VS_CONN_F_TUNNEL_TYPE_*`.
    public enum Kind: Hashable, Sendable {
        case ipip
        case gue
        case gre
        /// One that the kernel has and we have no name for.
        case other(UInt8)

        /// From the kernel's number.
        public init(number: UInt8) {
            self =
                switch number {
                case 0: .ipip
                case 1: .gue
                case 2: .gre
                default: .other(number)
                }
        }

        /// The kernel's number.
        public var number: UInt8 {
            switch self {
            case .ipip: 0
            case .gue: 1
            case .gre: 2
            case .other(let number): number
            }
        }
    }

    /// `IP_VS_TUNNEL_ENCAP_FLAG_*`.
    public struct Checksum: OptionSet, Hashable, Sendable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// The outer packet has a checksum.
        public static let full = Checksum(rawValue: 1)
        /// The inner checksum is left to the receiver; for GUE.
        public static let remote = Checksum(rawValue: 2)
    }
}
