public import NetAddress

/// What makes a virtual server one of its own.
public enum VirtualServerID: Hashable, Sendable {
    /// An address, a protocol and a port. Port 0 is every port, which takes persistence.
    case address(IPAddress, TransportProtocol, port: UInt16)
    /// The packets of a family that netfilter has given this mark; never 0.
    case mark(UInt32, IPFamily)

    /// The family of the clients.
    public var family: IPFamily {
        switch self {
        case .address(let address, _, _): address.family
        case .mark(_, let family): family
        }
    }
}

extension VirtualServerID: Comparable {
    /// Addresses come before marks; IPv4 before IPv6.
    public static func < (left: VirtualServerID, right: VirtualServerID) -> Bool {
        switch (left, right) {
        case (.address(let address, let transport, let port), .address(let other, let otherTransport, let otherPort)):
            (address, transport, port) < (other, otherTransport, otherPort)
        case (.mark(let mark, let family), .mark(let other, let otherFamily)): (family, mark) < (otherFamily, other)
        case (.address, .mark): true
        case (.mark, .address): false
        }
    }
}

/// A virtual server as IPVS has it, without its real servers.
public struct VirtualServer: Hashable, Sendable {
    public var id: VirtualServerID
    /// The scheduler's name in the kernel, at most 15 bytes: see ``Scheduler``.
    public var scheduler: String
    /// Never with ``Flags/hashed``: that bit is the kernel's.
    public var flags: Flags { didSet { flags.remove(.hashed) } }
    /// For how many seconds a client keeps its real server; 0 unless ``Flags/persistent``.
    public var persistenceTimeout: UInt32
    /// Which clients count as one for persistence.
    public var persistenceMask: PersistenceMask
    /// What persistence goes by instead of the client's address, for example `sip`.
    public var persistenceEngine: String?

    public init(
        _ id: VirtualServerID, scheduler: String, flags: Flags = [], persistenceTimeout: UInt32 = 0,
        persistenceMask: PersistenceMask? = nil, persistenceEngine: String? = nil
    ) {
        self.id = id
        self.scheduler = scheduler
        self.flags = flags.subtracting(.hashed)
        self.persistenceTimeout = persistenceTimeout
        self.persistenceMask = persistenceMask ?? .full(id.family)
        self.persistenceEngine = persistenceEngine
    }

    /// `IP_VS_SVC_F_*` (linux/ip_vs.h).
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// A client keeps its real server.
        public static let persistent = Flags(rawValue: 0x1)
        /// Set by the kernel once the server is in its table, and by nobody else.
        public static let hashed = Flags(rawValue: 0x2)
        /// Every datagram is scheduled on its own; for UDP.
        public static let onePacket = Flags(rawValue: 0x4)
        /// What these mean is up to the scheduler.
        public static let schedulerFlag1 = Flags(rawValue: 0x8)
        public static let schedulerFlag2 = Flags(rawValue: 0x10)
        public static let schedulerFlag3 = Flags(rawValue: 0x20)

        /// `sh` and `mh`: another real server if the chosen one is unavailable.
        public static let fallback = schedulerFlag1
        /// `sh` and `mh`: the client's port counts too.
        public static let sourcePort = schedulerFlag2
    }
}

/// Which part of a client's address counts for persistence.
public struct PersistenceMask: Hashable, Sendable {
    public let family: IPFamily
    /// IPv4: the mask in host order, `0xffff_ff00` for 255.255.255.0. IPv6: the length of the prefix in bits.
    public let number: UInt32

    /// As the kernel has it. For IPv6 it accepts 1 to 128, for IPv4 any mask.
    public init(_ family: IPFamily, number: UInt32) {
        self.family = family
        self.number = number
    }

    /// From the length of a prefix; more bits than an address has mean all.
    public init(_ family: IPFamily, prefixLength: UInt8) {
        let length = min(Int(prefixLength), family.addressBits)
        self.family = family
        // A smart shift by 32 gives 0.
        number = family == .ipv4 ? UInt32.max << UInt32(32 - length) : UInt32(length)
    }

    /// Each address is a client of its own.
    public static func full(_ family: IPFamily) -> PersistenceMask {
        PersistenceMask(family, prefixLength: UInt8(family.addressBits))
    }

    /// The length of the prefix; nil for an IPv4 mask with holes, or a number that is no length.
    public var prefixLength: UInt8? {
        switch family {
        case .ipv4:
            let length = (~number).leadingZeroBitCount
            return number == UInt32.max << UInt32(32 - length) ? UInt8(length) : nil
        case .ipv6: return number <= 128 ? UInt8(number) : nil
        }
    }

    public var isFull: Bool { self == .full(family) }
}
