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

    var isEmpty: Bool { servers.isEmpty }

    mutating func insert(_ real: RealServerID, of id: VirtualServerID) {
        servers[id, default: Server()].realServers.insert(real)
    }

    /// - Returns: whether it was there.
    mutating func remove(_ real: RealServerID, of id: VirtualServerID) -> Bool {
        guard servers[id]?.realServers.remove(real) != nil else { return false }
        if let server = servers[id], server.realServers.isEmpty, !server.isKept { servers[id] = nil }
        return true
    }

    mutating func keep(_ id: VirtualServerID) { servers[id]?.isKept = true }

    /// Nobody waits for it any more, or somebody wants it again.
    ///
    /// - Returns: whether it was kept.
    mutating func release(_ id: VirtualServerID) -> Bool {
        guard servers[id]?.isKept == true else { return false }
        servers[id]?.isKept = false
        if servers[id]?.realServers.isEmpty == true { servers[id] = nil }
        return true
    }

    /// The addresses and ports of virtual servers that are kept: with them stays what shows that they are ours.
    var keptAddresses: Set<IPAddress> {
        Set(
            servers.filter(\.value.isKept).compactMap { id, _ in
                if case .address(let address, _, _) = id { address } else { nil }
            })
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
