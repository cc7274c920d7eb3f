internal import IPSet
public import NetAddress

/// What a set says of the addresses and ports in it. Each family has one of each.
public enum SetRole: String, Hashable, Sendable, CaseIterable {
    /// All service addresses: those on the device.
    case addresses = "ADDRESSES"
    /// Addresses and ports that have endpoints, for somebody at least.
    case services = "SERVICES"
    /// Node ports at the node's own addresses, served or not: which virtual servers there are ours.
    case nodePorts = "NODE-PORTS"
    /// Nothing serves them anywhere: they are refused.
    case refused = "REFUSED"
    /// The policy allows none of the endpoints: connections from outside are dropped.
    case dropped = "DROPPED"
    /// Everybody's connections to them are masqueraded.
    case masqueraded = "MASQUERADED"
    /// Connections from outside of the cluster to them are masqueraded.
    case clusterIPs = "CLUSTER-IPS"
    /// Only the sources of ``sources`` may use them.
    case restricted = "RESTRICTED"
    case sources = "SOURCES"
    /// The sources here may not.
    case denied = "DENIED"
    /// External traffic policy Local: the node's own clients find, by the mark that stands here, a virtual server with all
    /// endpoints (semantics 20 and 27).
    case nodeClients = "NODE-CLIENTS"

    var type: SetType {
        switch self {
        case .addresses: .hashIP
        case .sources, .denied: .hashIPPortNet
        default: .hashIPPort
        }
    }

    /// Whether elements carry the names of what they stand for.
    var isNamed: Bool {
        switch self {
        case .services, .nodePorts, .refused, .dropped, .nodeClients: true
        default: false
        }
    }
}

/// One of our sets.
public struct SetID: Hashable, Sendable {
    public let role: SetRole
    public let family: IPFamily

    /// What all names begin with.
    static let prefix = "SVCCTL-"
    /// More than any node needs: the kernel takes memory for what is there, not for what may come.
    static let maxElements: UInt32 = 1 << 20

    init(_ role: SetRole, _ family: IPFamily) {
        self.role = role
        self.family = family
    }

    /// Nil if it is not a name of ours.
    init?(name: String) {
        guard let known = Self.byName[name] else { return nil }
        self = known
    }

    /// All there are.
    static let all = IPFamily.allCases.flatMap { family in SetRole.allCases.map { SetID($0, family) } }
    private static let byName = Dictionary(all.map { ($0.name, $0) }) { first, _ in first }

    /// `SVCCTL-4-SERVICES`.
    public var name: String { Self.prefix + (family == .ipv4 ? "4-" : "6-") + role.rawValue }

    var spec: SetSpec {
        SetSpec(
            name, role.type, family, maxElements: Self.maxElements, withSkbInfo: role == .nodeClients,
            withComments: role.isNamed)
    }
}

extension SetID: Comparable {
    /// By name, without making the names.
    public static func < (left: SetID, right: SetID) -> Bool {
        (left.family, left.role.rawValue) < (right.family, right.role.rawValue)
    }
}
