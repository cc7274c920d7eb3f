public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import RulesetAccess

extension NFTablesBackend {
    /// What our tables hold now, by service; nil if there are none.
    ///
    /// - Parameter withEndpoints: whether endpoints are listed too, of which there are many more than frontends.
    public mutating func status(withEndpoints: Bool) throws(BackendError) -> [FrontendStatus]? {
        for _ in 0..<maximumAttempts {
            do {
                return try statusOnce(withEndpoints)
            } catch {
                guard error.isStale else { throw error.backendError }
            }
        }
        throw BackendError(.refused, Self.restless)
    }

    private mutating func statusOnce(_ withEndpoints: Bool) throws(KernelError) -> [FrontendStatus]? {
        var frontends: [FrontendStatus]?
        for family in IPFamily.allCases {
            let tables = try read { (socket) throws(NetlinkError) in try socket.tables(family) }
            guard let table = tables.first(where: { $0.name == Layout.table && $0.comment == Layout.mark }) else {
                continue
            }
            frontends = try (frontends ?? []) + status(of: table, withEndpoints)
        }
        return frontends?.sorted(by: Self.isListedBefore)
    }

    /// No two frontends are equal in all of this, so that the order is always the same.
    private static func isListedBefore(_ left: FrontendStatus, _ right: FrontendStatus) -> Bool {
        let (a, b) = (
            (left.service, left.kind.rawValue, left.family), (right.service, right.kind.rawValue, right.family)
        )
        if a != b { return a < b }
        if let one = left.address, let other = right.address, one != other { return one < other }
        return (left.port, left.transport.rawValue) < (right.port, right.transport.rawValue)
    }

    private mutating func status(of table: Table, _ withEndpoints: Bool) throws(KernelError) -> [FrontendStatus] {
        let sets = try read { (socket) throws(NetlinkError) in try socket.sets(of: table) }
        let ids = sets.compactMap { SetID(table.family, name: $0.name) }
        var collector = StatusCollector(family: table.family)
        for set in ids
        where withEndpoints && (set.role.hasSlots || set.role == .serviceNumbers || set.role == .nodePortNumbers) {
            try read { (socket) throws(NetlinkError) in
                try socket.elements(of: set.definition) { collector.addEndpoint($0, of: set) }
            }
        }
        let clusterIPs = SetID(table.family, .clusterIPs)
        if ids.contains(clusterIPs) {
            try read { (socket) throws(NetlinkError) in
                try socket.elements(of: clusterIPs.definition) { collector.clusterIPs.insert($0.key) }
            }
        }
        // Frontends that refuse or drop come last, since they say more about a state than those that serve.
        for set in ids.sorted() where set.role.holdsFrontends {
            try read { (socket) throws(NetlinkError) in
                try socket.elements(of: set.definition) { collector.addFrontend($0, of: set) }
            }
        }
        return Array(collector.frontends.values)
    }
}

/// Puts together what several sets say about one frontend.
private struct StatusCollector {
    let family: IPFamily
    var frontends: [ElementKey: FrontendStatus] = [:]
    var clusterIPs: Set<ElementKey> = []
    private var slots: [ElementKey: [(slot: UInt32, endpoint: SocketEndpoint)]] = [:]
    /// Endpoints that take turns, by the number of their pool.
    private var turns: [IPAddress: [(slot: UInt32, endpoint: SocketEndpoint)]] = [:]
    /// The number of the pool that a frontend draws from.
    private var numbers: [ElementKey: IPAddress] = [:]

    init(family: IPFamily) { self.family = family }

    mutating func addEndpoint(_ element: ObservedElement, of set: SetID) {
        if let number = element.value.address { numbers[element.key] = number }
        guard let (frontend, slot) = element.key.splitSlot(), let endpoint = element.value.endpoint else { return }
        let found = (slot, SocketEndpoint(address: endpoint.address, port: endpoint.port))
        switch set.role {
        case .endpoints, .nodePortEndpoints, .hashedEndpoints, .nodePortHashedEndpoints:
            slots[frontend, default: []].append(found)
        case .turnEndpoints:
            if let number = frontend.leadingAddress(family) { turns[number, default: []].append(found) }
        // What the node's own clients get is not what others get.
        default: break
        }
    }

    /// Each endpoint once, in order of its first slot.
    private func endpoints(of frontend: ElementKey) -> [SocketEndpoint] {
        let found = slots[frontend] ?? numbers[frontend].flatMap { turns[$0] } ?? []
        var seen: Set<SocketEndpoint> = []
        return found.sorted { $0.slot < $1.slot }.map(\.endpoint).filter { seen.insert($0).inserted }
    }

    mutating func addFrontend(_ element: ObservedElement, of set: SetID) {
        guard let parts = element.key.frontendParts(set) else { return }
        let endpoints = endpoints(of: element.key)
        let known = frontends[element.key]
        let count = element.counter?.packets ?? 0
        // The sets of what serves come first. Who is turned away by a list is in neither of the others.
        let isServing = set.role.state == .serving && !set.role.countsBlocked
        let isBlocked = set.role.countsBlocked
        frontends[element.key] = FrontendStatus(
            service: element.value.comment ?? "?", kind: known?.kind ?? kind(parts.address), family: family,
            address: parts.address, transport: parts.transport, port: parts.port,
            state: isBlocked ? known?.state ?? .serving : set.role.state, endpoints: endpoints,
            connections: (known?.connections ?? 0) + (isServing ? count : 0),
            drops: (known?.drops ?? 0) + (isServing ? 0 : count))
    }

    private func kind(_ address: IPAddress?) -> FrontendStatus.Kind {
        guard let address else { return .nodePort }
        var key = ElementKey()
        key.append(address)
        return clusterIPs.contains(key) ? .clusterIP : .external
    }
}

extension SetID.Role {
    fileprivate var countsBlocked: Bool { self == .blockedServices || self == .blockedNodePorts }

    fileprivate var state: FrontendStatus.State {
        switch self {
        case .rejectedServices, .rejectedNodePorts: .refusing
        case .droppedServices, .droppedNodePorts: .dropping
        default: .serving
        }
    }
}

extension ElementKey {
    /// The address that a key begins with.
    fileprivate func leadingAddress(_ family: IPFamily) -> IPAddress? {
        withBytes { bytes in
            IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(family.addressLength)))
        }
    }

    /// A key of a map of endpoints as the frontend's own key and the slot.
    fileprivate func splitSlot() -> (ElementKey, UInt32)? {
        withBytes { bytes in
            guard bytes.count > 4 else { return nil }
            let slot = bytes.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self)
            guard let key = ElementKey(bytes: UnsafeRawBufferPointer(rebasing: bytes.dropLast(4))) else { return nil }
            return (key, slot)
        }
    }

    /// Address, protocol and port of a frontend's key.
    fileprivate func frontendParts(_ set: SetID) -> (address: IPAddress?, transport: TransportProtocol, port: UInt16)? {
        withBytes { bytes in
            let addressLength = set.role.isForNodePorts ? 0 : set.family.addressLength
            guard bytes.count == addressLength + 8, let transport = TransportProtocol(rawValue: bytes[addressLength])
            else { return nil }
            let address = IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(addressLength)))
            let port = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: addressLength + 4, as: UInt16.self))
            return (address, transport, port)
        }
    }
}
