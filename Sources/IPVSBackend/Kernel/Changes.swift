internal import Dataplane
internal import IPSet
internal import IPVS
internal import NetAddress
internal import XTables

/// All that differs, sorted by what has to be done about it, and in the order in which it is done (semantics 61): what
/// masquerades and protects comes first, then addresses, then virtual servers; and the other way round for what goes.
struct Changes {
    struct ChainChange {
        let family: IPFamily
        let table: XTTable
        let name: String
        /// Nil for a chain that goes.
        let desired: [ChainRule]?
        let isThere: Bool
    }

    struct Jump {
        let family: IPFamily
        let table: XTTable
        let base: String
        let rule: ChainRule
    }

    /// Whether the interface is to be made, or only set up.
    var addsDevice = false
    var addresses: (added: [IPAddress], removed: [IPAddress]) = ([], [])
    /// Sets that are there in another form.
    var remadeSets: [SetID] = []
    var newSets: [SetID] = []
    var flushedSets: [SetID] = []
    var elements: (added: [(SetID, SetElement)], removed: [(SetID, SetElement)]) = ([], [])
    var chains: [ChainChange] = []
    var jumps: [Jump] = []
    var strayRules: [(family: IPFamily, table: XTTable, chain: String, handle: UInt64)] = []
    var servers = ServerChanges()
    private(set) var summary = ChangeSummary()

    /// - Parameters:
    ///   - nodeAddresses: tell node ports from services' own addresses.
    ///   - hasIPv6: whether the kernel can have what takes IPv6; else that is left out.
    init(
        _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>, nodeAddresses: Set<IPAddress>,
        hasIPv6: Bool = KernelModules.hasIPv6
    ) {
        state.forEachDifference { key, desired, observed in
            if hasIPv6 || !key.needsIPv6 { add(key, desired, observed) }
        }
        newSets.sort()
        addresses.added.sort()
        addresses.removed.sort()
        elements.added = Self.sorted(elements.added) { ($0.rank, $0) < ($1.rank, $1) }
        elements.removed = Self.sorted(elements.removed) { ($1.rank, $0) < ($0.rank, $1) }
        chains.sort { ($0.family, $0.table.rawValue, $0.name) < ($1.family, $1.table.rawValue, $1.name) }
        servers.sort(first: apiServerAddresses)
        // What two have is a service's.
        var own: Set<IPAddress> = []
        for address in nodeAddresses where state[.address(address)] == nil { own.insert(address) }
        summary.udp = servers.udp(own)
    }

    /// Where the API server is to be reached: whoever is to mend anything needs it.
    private var apiServerAddresses: Set<IPAddress> {
        var addresses: Set<IPAddress> = []
        for (id, element) in elements.added where id.role == .services {
            guard case .addressPort(let address, _, _) = element.key,
                element.comment?.hasPrefix("default/kubernetes:") == true
            else { continue }
            addresses.insert(address)
        }
        return addresses
    }

    /// Set by set, since what goes into one set goes into one message. Of elements, which have names, the keys alone are
    /// moved about: that takes a fraction of the time.
    private static func sorted(
        _ elements: [(SetID, SetElement)], by precedes: (SetID, SetID) -> Bool
    ) -> [(SetID, SetElement)] {
        Dictionary(grouping: elements) { $0.0 }.sorted { precedes($0.key, $1.key) }.flatMap { _, own in
            own.indices.map { (own[$0].1.key, $0) }.sorted { $0.0 < $1.0 }.map { own[$0.1] }
        }
    }

    var isEmpty: Bool { summary.isEmpty }

    /// Whether anything of iptables changes.
    var concernsChains: Bool { !chains.isEmpty || !jumps.isEmpty || !strayRules.isEmpty }

    private mutating func add(_ key: ObjectKey, _ desired: ObjectValue?, _ observed: ObjectValue?) {
        switch (desired, observed) {
        case (nil, _): summary.removed += 1
        case (_, nil): summary.added += 1
        default: summary.changed += 1
        }
        switch key {
        case .device: addsDevice = desired != nil
        case .address(let address):
            if desired == nil { addresses.removed.append(address) } else { addresses.added.append(address) }
        case .set(let id):
            if observed != nil { remadeSets.append(id) }
            newSets.append(id)
        case .element(let id, let element):
            if case .element(let mark, let name)? = desired {
                elements.added.append((id, SetElement(element, mark: mark, comment: name)))
            } else {
                let mark: SetElement.Mark? = if case .element(let mark, _)? = observed { mark } else { nil }
                elements.removed.append((id, SetElement(element, mark: mark)))
            }
        case .strayElements(let id): flushedSets.append(id)
        case .chain(let family, let table, let name):
            chains.append(
                ChainChange(
                    family: family, table: table, name: name, desired: desired.map { Optional($0).rules },
                    isThere: observed != nil))
        case .jump(let family, let table, let base):
            if let rule = desired.rules.first {
                jumps.append(Jump(family: family, table: table, base: base, rule: rule))
            }
        case .strayRule(let family, let table, let chain, let handle):
            strayRules.append((family, table, chain, handle))
        case .virtualServer, .realServer: servers.add(key, desired, observed)
        }
    }
}

extension SetID {
    /// A list of sources is there before the rules look into it, and who is served is told last.
    fileprivate var rank: Int {
        switch role {
        case .addresses: 0
        case .sources, .denied: 1
        case .restricted, .masqueraded, .clusterIPs, .nodeClients: 2
        case .services, .nodePorts, .refused, .dropped: 3
        }
    }
}
