public import NetAddress
public import ServiceModel

/// What every address of one service does with a packet: the answer to all questions that are the same for every
/// backend.
public struct PlannedService: Hashable, Sendable {
    public var name: ServiceName
    /// Each stands for packets that no other frontend gets; in a fixed order.
    public var frontends: [Frontend]
    /// The endpoints whose clients are remembered or that take turns, by number. Frontends share them.
    public var pools: [Pool] = []
    /// Names the service in the kernel where it has limits, among all pools and other such services. It follows from the
    /// limits too: what has been counted under other ones does not count.
    public var limitNumber: UInt32?
    /// What only IPVS can do.
    public var virtualServer = VirtualServerSettings()
    /// The addresses of the node that serve node ports, in order, for backends that cannot leave it to the kernel to tell
    /// them; empty without node ports, and before they are known.
    public var nodePortAddresses: [IPAddress] = []

    public init(name: ServiceName, frontends: [Frontend]) {
        self.name = name
        self.frontends = frontends
    }
}

/// One address, protocol and port that clients use, and what becomes of their connections.
public struct Frontend: Hashable, Sendable {
    public var address: FrontendAddress
    public var transport: TransportProtocol
    /// The port that clients connect to; for a node port its own number.
    public var port: UInt16
    /// The service port's name; may be empty.
    public var portName: String
    /// What becomes of connections from anywhere.
    public var treatment: Treatment
    /// The policy that ``treatment`` follows.
    public var policy: TrafficPolicy = .cluster
    /// What becomes of connections from this node's pods and processes, where that is something else: the short circuit
    /// of external traffic policy Local (semantics 20, 27). Pods are not masqueraded then, the node's processes are.
    public var nodeTreatment: Treatment?
    /// Names, where there is a ``nodeTreatment``, its targets in the kernel: unique among all such numbers and those of pools
    /// and limits, but for a node port, which has one in both families; below ``PoolNumbers/nodeClientCount``.
    public var nodeClientNumber: UInt32?
    /// Who may connect; nil is everybody, an empty list nobody. Blocks are of the address's family and in order, and
    /// none lies within another.
    public var allowedSources: [CIDR]?
    /// Whether these lists let the node's own processes in, where they have the address itself as their source; nil where
    /// there are no lists, and where the node's addresses are not known.
    public var admitsNode: Bool?
    /// How one of the targets is chosen.
    public var scheduler: Scheduler = .random
    /// The pools that the targets belong to, if clients are remembered or endpoints take turns.
    public var pools: PoolReferences?
    /// Where flows that exist may go on to: every endpoint that still answers, whatever policy, topology or weight say
    /// of new ones (semantics 41). In order, each once. Filled for UDP only, since flows of the others are left alone.
    public var servingEndpoints: [ServingEndpoint]
    /// Who may not connect, even if allowed; empty where nobody is denied. Blocks as in ``allowedSources``.
    public var deniedSources: [CIDR]
    /// How many connections the service takes; nil without a limit.
    public var limits: ConnectionLimits?

    public init(
        address: FrontendAddress, transport: TransportProtocol, port: UInt16, portName: String,
        treatment: Treatment, nodeTreatment: Treatment? = nil, allowedSources: [CIDR]? = nil,
        servingEndpoints: [ServingEndpoint] = [], deniedSources: [CIDR] = [], limits: ConnectionLimits? = nil
    ) {
        self.address = address
        self.transport = transport
        self.port = port
        self.portName = portName
        self.treatment = treatment
        self.nodeTreatment = nodeTreatment
        self.allowedSources = allowedSources
        self.servingEndpoints = servingEndpoints
        self.deniedSources = deniedSources
        self.limits = limits
    }
}

/// The kinds of address that a service can be reached at.
public enum FrontendAddress: Hashable, Sendable {
    case clusterIP(IPAddress)
    case externalIP(IPAddress)
    case loadBalancerIP(IPAddress)
    /// Every node-port address of the family.
    case nodePort(IPFamily)

    public var family: IPFamily {
        switch self {
        case .clusterIP(let address), .externalIP(let address), .loadBalancerIP(let address): address.family
        case .nodePort(let family): family
        }
    }

    /// The address itself; nil for a node port, which has many.
    public var ip: IPAddress? {
        switch self {
        case .clusterIP(let address), .externalIP(let address), .loadBalancerIP(let address): address
        case .nodePort: nil
        }
    }
}

/// What becomes of a new connection.
public enum Treatment: Hashable, Sendable {
    /// It goes to one of the targets, of which there is at least one.
    case balance([Target], Masquerade)
    /// It is answered with an error: nothing serves it anywhere (semantics 26).
    case reject
    /// It is dropped: endpoints exist, but none that the policy allows here; a load balancer then tries elsewhere.
    case drop

    /// Where connections go; empty unless they are balanced.
    public var targets: [Target] {
        if case .balance(let targets, _) = self { targets } else { [] }
    }
}

/// Whose source address is replaced by the node's.
public enum Masquerade: Hashable, Sendable {
    case never
    case always
    /// Everybody's but the cluster's pods'.
    case outsideCluster
}

/// One endpoint as a place to send connections to.
public struct Target: Hashable, Sendable {
    public var address: IPAddress
    public var port: UInt16
    /// The share of new connections; at least 1.
    public var weight: UInt16
    /// Whether the endpoint can be on this node, so that its own connections may come back to it (semantics 22). True
    /// also where nobody said which node it is on.
    public var mayBeLocal: Bool

    public init(address: IPAddress, port: UInt16, weight: UInt16 = 1, mayBeLocal: Bool = false) {
        self.address = address
        self.port = port
        self.weight = weight
        self.mayBeLocal = mayBeLocal
    }
}

extension Target: Comparable {
    public static func < (left: Target, right: Target) -> Bool {
        left.address != right.address ? left.address < right.address : left.port < right.port
    }
}
