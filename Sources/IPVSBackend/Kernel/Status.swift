public import Dataplane
internal import IPSet
internal import IPVS
internal import NetAddress
internal import Netlink

extension IPVSBackend {
    /// What our sets and virtual servers hold now, by service; nil if there is nothing. No module is loaded for looking.
    public mutating func status(withEndpoints: Bool) throws(BackendError) -> [FrontendStatus]? {
        guard KernelModules.hasIPVS, KernelModules.hasIPSet else { return nil }
        let (device, _) = try readDevice()
        guard device != nil else { return nil }
        var collector = StatusCollector()
        for family in IPFamily.allCases {
            for role in SetRole.allCases where role.isNamed {
                let name = SetID(role, family).name
                let content = try callSets { (session) throws(IPSetError) in try session.content(of: name) }
                for element in content?.elements ?? [] { collector.add(element, role) }
            }
        }
        for status in try callIPVS({ (socket) throws(NetlinkError) in try socket.virtualServers() })
        where collector.knows(status.server.id) {
            let id = status.server.id
            let reals =
                withEndpoints ? try callIPVS { (socket) throws(NetlinkError) in try socket.realServers(of: id) } : []
            collector.add(status, reals)
        }
        return collector.frontends
    }
}

/// Puts together what sets and virtual servers say about one frontend.
private struct StatusCollector {
    private struct Entry {
        var name: String
        var roles: Set<SetRole>
        var mark: UInt32?
    }

    private struct Place: Hashable {
        let address: IPAddress
        let transport: TransportProtocol
        let port: UInt16
    }

    private var entries: [Place: Entry] = [:]
    private var servers: [VirtualServerID: (status: VirtualServerStatus, reals: [RealServerStatus])] = [:]
    private var marks: Set<VirtualServerID> = []

    mutating func add(_ element: SetElement, _ role: SetRole) {
        guard case .addressPort(let address, let transport, let port) = element.key else { return }
        let place = Place(address: address, transport: transport, port: port)
        var entry = entries[place] ?? Entry(name: element.comment ?? "?", roles: [], mark: nil)
        entry.roles.insert(role)
        if let mark = element.mark?.value {
            entry.mark = mark
            marks.insert(.mark(mark, address.family))
        }
        entries[place] = entry
    }

    func knows(_ id: VirtualServerID) -> Bool {
        switch id {
        case .address(let address, let transport, let port):
            entries[Place(address: address, transport: transport, port: port)] != nil
        case .mark: marks.contains(id)
        }
    }

    mutating func add(_ status: VirtualServerStatus, _ reals: [RealServerStatus]) {
        servers[status.server.id] = (status, reals)
    }

    var frontends: [FrontendStatus] {
        entries.map { place, entry in frontend(place, entry) }.sorted(by: Self.isListedBefore)
    }

    private func frontend(_ place: Place, _ entry: Entry) -> FrontendStatus {
        let own = servers[.address(place.address, place.transport, port: place.port)]
        // Who may not come from outside is served for the node's own clients all the same.
        let found = own ?? entry.mark.flatMap { servers[.mark($0, place.address.family)] }
        let (service, kind) = Self.parts(entry.name)
        let state: FrontendStatus.State =
            entry.roles.contains(.refused) ? .refusing : entry.roles.contains(.dropped) ? .dropping : .serving
        let statistics = found?.status.statistics ?? Statistics()
        var frontend = FrontendStatus(
            service: service, kind: kind, family: place.address.family, address: place.address,
            transport: place.transport, port: place.port, state: state,
            endpoints: (found?.reals ?? []).filter { $0.server.weight > 0 }.map(\.endpoint).sorted(by: Self.precedes),
            connections: statistics.connections, drops: 0)
        if found != nil { frontend.traffic = TrafficStatus(statistics) }
        frontend.endpointDetails = (found?.reals ?? []).map { real in
            EndpointStatus(
                endpoint: real.endpoint, weight: real.server.weight, connections: real.statistics.connections,
                activeConnections: real.activeConnections, inactiveConnections: real.inactiveConnections,
                traffic: TrafficStatus(real.statistics))
        }.sorted { Self.precedes($0.endpoint, $1.endpoint) }
        return frontend
    }

    private static func precedes(_ left: SocketEndpoint, _ right: SocketEndpoint) -> Bool {
        left.address != right.address ? left.address < right.address : left.port < right.port
    }

    /// The service and the kind of address that a name says.
    private static func parts(_ name: String) -> (service: String, kind: FrontendStatus.Kind) {
        let parts = name.split(separator: " ", maxSplits: 1)
        guard let service = parts.first, parts.count == 2, let kind = FrontendStatus.Kind(rawValue: String(parts[1]))
        else { return ("?", .external) }
        return (String(service), kind)
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
}

extension RealServerStatus {
    fileprivate var endpoint: SocketEndpoint { SocketEndpoint(address: server.address, port: server.port) }
}

extension TrafficStatus {
    fileprivate init(_ statistics: Statistics) {
        self.init()
        incoming = Volume(
            packets: statistics.incomingPackets, bytes: statistics.incomingBytes,
            packetsPerSecond: statistics.rates.incomingPackets, bytesPerSecond: statistics.rates.incomingBytes)
        outgoing = Volume(
            packets: statistics.outgoingPackets, bytes: statistics.outgoingBytes,
            packetsPerSecond: statistics.rates.outgoingPackets, bytesPerSecond: statistics.rates.outgoingBytes)
        connectionsPerSecond = statistics.rates.connections
    }
}
