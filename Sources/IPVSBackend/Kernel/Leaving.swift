internal import IPSet
internal import IPVS
internal import NetAddress

/// Real servers that nobody wants any more, but that have connections: they keep those, and get no new ones, until none is
/// left (semantics 60). They are told by their weight of 0, so that a restart finds them again.
struct Leaving {
    struct Server {
        var realServers: Set<RealServerID> = []
        /// Whether the virtual server itself is there for their sake alone.
        var isKept = false
    }

    private(set) var servers: [VirtualServerID: Server] = [:]
    /// Where virtual servers for marks that are kept have their connections from: an address and port, whose element in the
    /// set of the node's own clients says so after a restart.
    private var places: [SetElement.Key: VirtualServerID] = [:]

    /// Who was asked last whether connections are left.
    private var lastAsked: VirtualServerID?

    var isEmpty: Bool { servers.isEmpty }

    /// Whom to ask next, all of them in turn: a bound on the work of one time.
    ///
    /// - Parameter most: how many at most.
    func nextTurn(most: Int) -> ArraySlice<VirtualServerID> {
        let all = servers.keys.sorted()
        guard let lastAsked, all.count > most else { return all.prefix(most) }
        let next = all.firstIndex { lastAsked < $0 } ?? all.startIndex
        return (all[next...] + all[..<next]).prefix(most)
    }

    mutating func noteAsked(_ id: VirtualServerID) { lastAsked = id }

    /// Forgets everybody, but not whose turn it is.
    mutating func removeAll() {
        let lastAsked = lastAsked
        self = Leaving()
        self.lastAsked = lastAsked
    }

    mutating func insert(_ real: RealServerID, of id: VirtualServerID) {
        servers[id, default: Server()].realServers.insert(real)
    }

    /// - Returns: whether it was there.
    mutating func remove(_ real: RealServerID, of id: VirtualServerID) -> Bool {
        guard servers[id]?.realServers.remove(real) != nil else { return false }
        if let server = servers[id], server.realServers.isEmpty, !server.isKept { servers[id] = nil }
        return true
    }

    /// Nobody stays at some addresses any more.
    ///
    /// - Returns: the virtual servers that were kept there.
    mutating func abandon(_ addresses: Set<IPAddress>) -> [VirtualServerID] {
        let abandoned = servers.filter { $0.key.isFor(addresses) }
        for id in abandoned.keys { servers[id] = nil }
        places = places.filter { place, _ in
            if case .addressPort(let address, _, _) = place { !addresses.contains(address) } else { true }
        }
        return abandoned.filter(\.value.isKept).map(\.key)
    }

    mutating func keep(_ id: VirtualServerID) { servers[id]?.isKept = true }

    /// Notes that connections of a kept virtual server for a mark go by a place.
    ///
    /// - Returns: false if it is not kept.
    mutating func note(_ place: SetElement.Key, of id: VirtualServerID) -> Bool {
        guard servers[id]?.isKept == true else { return false }
        places[place] = id
        return true
    }

    /// The places of a virtual server for a mark.
    func places(of id: VirtualServerID) -> [SetElement.Key] { places.filter { $0.value == id }.keys.sorted() }

    func keeps(_ place: SetElement.Key) -> Bool { places[place] != nil }

    /// - Returns: whether it was kept.
    mutating func forget(_ place: SetElement.Key) -> Bool { places.removeValue(forKey: place) != nil }

    /// Nobody waits for it any more, or somebody wants it again.
    ///
    /// - Returns: whether it was kept.
    mutating func release(_ id: VirtualServerID) -> Bool {
        guard servers[id]?.isKept == true else { return false }
        servers[id]?.isKept = false
        if case .mark = id { places = places.filter { $0.value != id } }
        if servers[id]?.realServers.isEmpty == true { servers[id] = nil }
        return true
    }

    /// What shows that virtual servers which are kept are ours, put together once for looking at many objects.
    var traces: Traces {
        var addresses: Set<IPAddress> = []
        for (id, server) in servers where server.isKept {
            if case .address(let address, _, _) = id { addresses.insert(address) }
        }
        for case .addressPort(let address, _, _) in places.keys { addresses.insert(address) }
        return Traces(leaving: self, addresses: addresses)
    }

    struct Traces {
        fileprivate let leaving: Leaving
        fileprivate let addresses: Set<IPAddress>

        func contain(_ address: IPAddress) -> Bool { addresses.contains(address) }

        func contain(_ element: SetElement.Key, in role: SetRole) -> Bool {
            switch (role, element) {
            case (.addresses, .address(let address)): contain(address)
            case (.nodeClients, _): leaving.keeps(element)
            case (.nodePorts, .addressPort(let address, let transport, let port)):
                leaving.servers[.address(address, transport, port: port)]?.isKept == true
            default: false
            }
        }
    }
}

extension VirtualServerID {
    /// Whether connections end by themselves, and the kernel counts them until then. Datagrams have no end: they go
    /// elsewhere at once.
    var hasConnections: Bool {
        switch self {
        case .address(_, let transport, _): transport == .tcp
        case .mark(let mark, _): NodeClientMark.transport(mark) == .tcp
        }
    }
}

extension RealServerStatus {
    var isBusy: Bool { activeConnections > 0 || inactiveConnections > 0 }
}
