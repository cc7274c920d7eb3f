public import NetAddress
internal import ServiceModel

/// The endpoints of one port of a service, in one family and under one traffic policy, where more than the address that a
/// client uses must be known to choose among them: all addresses of the service share what is remembered of a client
/// (semantics 36), and whose turn it is.
public struct Pool: Hashable, Sendable {
    /// What the pool is called within its service: the same in both families.
    public var label: String
    /// Names the pool in the kernel: unique among all pools of the node, below ``PoolNumbers/count``.
    public var number: UInt32
    public var family: IPFamily
    public var transport: TransportProtocol
    /// Where new clients go.
    public var targets: [Target]
    /// Where only those clients go that are remembered (a weight of 0).
    public var drained: [Target]
    /// How long a client is remembered after its last new connection, in seconds; nil if it is not.
    public var affinitySeconds: UInt32?
    /// Whether endpoints take turns.
    public var takesTurns: Bool
    /// The place, among the service's pools, of the one for the same port under policy Local; nil where no address has
    /// that policy, and for that pool itself.
    public var localPool: Int?

    /// All endpoints that a remembered client may come back to (semantics 37).
    public var eligible: [Target] { drained.isEmpty ? targets : targets + drained }
}

/// Which pools an address draws from, by their places among the pools of the service.
public struct PoolReferences: Hashable, Sendable {
    /// That of ``Frontend/treatment``.
    public var outside: Int
    /// That of ``Frontend/nodeTreatment``.
    public var inside: Int?
    /// That of the whole cluster's endpoints, under which every client is remembered.
    public var cluster: Int
}

/// The pools of one port: one with the cluster's endpoints, and behind it one with this node's if a policy asks for them.
struct PortPools {
    private(set) var all: [Pool]
    private let first: Int

    /// Nil where neither clients nor turns must be remembered.
    ///
    /// - Parameter first: the place that the first of them will have among the service's pools.
    init?(_ port: ServicePort, of service: Service, _ family: IPFamily, _ targets: PortTargets, first: Int) {
        guard service.clientIPAffinitySeconds != nil || service.scheduler == .roundRobin else { return nil }
        let portLabel = "\(port.name.isEmpty ? String(port.port) : port.name)/\(port.transport.kubernetesName)"
        func pool(_ policy: TrafficPolicy, _ targets: [Target], _ drained: [Target]) -> Pool {
            let label = "\(portLabel) \(policy.rawValue)"
            return Pool(
                label: label, number: PoolNumbers.preferred("\(service.name) \(label)"), family: family,
                transport: port.transport, targets: targets, drained: drained,
                affinitySeconds: service.clientIPAffinitySeconds, takesTurns: service.scheduler == .roundRobin)
        }
        self.first = first
        all = [pool(.cluster, targets.cluster, targets.drained)]
        if service.internalTrafficPolicy == .local || service.externalTrafficPolicy == .local {
            all[0].localPool = first + 1
            all.append(pool(.local, targets.local, targets.drainedLocal))
        }
    }

    func references(_ policy: TrafficPolicy, hasNodeTreatment: Bool) -> PoolReferences {
        PoolReferences(
            outside: policy == .local ? first + 1 : first, inside: hasNodeTreatment ? first : nil, cluster: first)
    }
}

/// Gives out numbers for pools and for services with limits, each once.
///
/// A number is made from what it stands for, so that it is the same after each restart and whatever the order of
/// definitions. Where two should have the same, who comes later takes another one.
public struct PoolNumbers: Sendable {
    /// How many numbers there are: they must fit into what no IPv4 host has, 240.0.0.0/4.
    public static let count: UInt32 = 1 << 28
    /// How many of them can name what the node's own clients get: marks have room for no more.
    public static let nodeClientCount: UInt32 = 1 << 26

    private var owners: [UInt32: String] = [:]

    /// The number that a name gets if it is free.
    static func preferred(_ name: String) -> UInt32 {
        // FNV-1a with 64 bits, folded.
        let hash = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32) % count
    }

    /// Gives a number back, if it is the name's.
    mutating func release(_ number: UInt32, of name: String) {
        if owners[number] == name { owners[number] = nil }
    }

    /// The number of a name: the preferred one, or the next free one, below a bound that the preferred one is below too.
    mutating func claim(_ name: String, preferred: UInt32, below bound: UInt32 = count) -> UInt32 {
        var number = preferred
        while let owner = owners[number], owner != name { number = (number + 1) % bound }
        owners[number] = name
        return number
    }
}

extension PlannedService {
    /// Gets numbers that nobody else has for what is counted or remembered.
    mutating func claimNumbers(_ numbers: inout PoolNumbers) {
        for index in pools.indices {
            pools[index].number = numbers.claim(ownerName(pools[index]), preferred: pools[index].number)
        }
        if let number = limitNumber { limitNumber = numbers.claim(name.description, preferred: number) }
        for index in frontends.indices {
            guard let number = frontends[index].nodeClientNumber else { continue }
            frontends[index].nodeClientNumber = numbers.claim(
                nodeClientName(frontends[index]), preferred: number, below: PoolNumbers.nodeClientCount)
        }
    }

    /// Keeps the numbers that an older plan of the same service and with the same frontends has.
    ///
    /// - Returns: whether what is counted and remembered is the same; else nothing is done.
    mutating func takeNumbers(of old: PlannedService) -> Bool {
        guard limitNumber == nil, old.limitNumber == nil, pools.count == old.pools.count,
            zip(pools, old.pools).allSatisfy({ ownerName($0) == ownerName($1) }),
            frontends.count == old.frontends.count,
            zip(frontends, old.frontends).allSatisfy({ ($0.nodeClientNumber == nil) == ($1.nodeClientNumber == nil) })
        else { return false }
        for index in pools.indices { pools[index].number = old.pools[index].number }
        for index in frontends.indices where frontends[index].nodeClientNumber != nil {
            frontends[index].nodeClientNumber = old.frontends[index].nodeClientNumber
        }
        return true
    }

    /// Whom nobody can address remembers nobody.
    mutating func dropUnusedPools() { if frontends.isEmpty { pools = [] } }

    func releaseNumbers(_ numbers: inout PoolNumbers) {
        for pool in pools { numbers.release(pool.number, of: ownerName(pool)) }
        if let number = limitNumber { numbers.release(number, of: name.description) }
        for frontend in frontends {
            if let number = frontend.nodeClientNumber { numbers.release(number, of: nodeClientName(frontend)) }
        }
    }

    /// Each address has one of its own: connections to one that goes can be told from those to others. Node ports, whose
    /// addresses stay the node's whatever becomes of the service, have one together.
    func nodeClientName(_ frontend: Frontend) -> String {
        let place = frontend.address.ip.map { "\($0)" } ?? "node port"
        return "\(name) \(place) \(frontend.port)/\(frontend.transport.kubernetesName) node clients"
    }

    private func ownerName(_ pool: Pool) -> String { "\(name) \(pool.label)" }
}
