internal import Dataplane
internal import IPSet
internal import IPVS
internal import NetAddress

/// The virtual servers and real servers that differ.
struct ServerChanges {
    /// Those that are not there, with what is to be.
    private(set) var newServers: [VirtualServer] = []
    private(set) var changedServers: [VirtualServer] = []
    private(set) var removedServers: [VirtualServerID] = []
    private(set) var newReals: [VirtualServerID: [RealServer]] = [:]
    private(set) var changedReals: [VirtualServerID: [RealServer]] = [:]
    private(set) var removedReals: [VirtualServerID: [RealServer]] = [:]

    mutating func add(_ key: ObjectKey, _ desired: ObjectValue?, _ observed: ObjectValue?) {
        switch (key, desired, observed) {
        case (.virtualServer, .virtualServer(let server)?, nil): newServers.append(server)
        case (.virtualServer, .virtualServer(let server)?, _): changedServers.append(server)
        case (.virtualServer(let id), nil, _): removedServers.append(id)
        case (.realServer(let id, _), .realServer(let real)?, nil): newReals[id, default: []].append(real)
        case (.realServer(let id, _), .realServer(let real)?, _): changedReals[id, default: []].append(real)
        case (.realServer(let id, _), nil, .realServer(let real)?): removedReals[id, default: []].append(real)
        default: break
        }
    }

    /// - Parameter first: the addresses whose virtual servers come first (semantics 61).
    mutating func sort(first: Set<IPAddress>) {
        newServers.sort { left, right in
            let (one, other) = (left.id.isFor(first), right.id.isFor(first))
            return one != other ? one : left.id < right.id
        }
        changedServers.sort { $0.id < $1.id }
        removedServers.sort()
    }

    var isEmpty: Bool {
        newServers.isEmpty && changedServers.isEmpty && removedServers.isEmpty && newReals.isEmpty
            && changedReals.isEmpty && removedReals.isEmpty
    }

    /// The schedulers that are asked for anew.
    var schedulers: Set<String> { Set((newServers + changedServers).map(\.scheduler)) }

    /// What it does to the endpoints of UDP frontends: those that serve, be it for older flows alone.
    func udp(_ nodeAddresses: Set<IPAddress>) -> UDPChanges {
        var changes = UDPChanges()
        func frontend(_ id: VirtualServerID) -> UDPFrontend? {
            guard case .address(let address, .udp, let port) = id else { return nil }
            return nodeAddresses.contains(address)
                ? UDPFrontend(nodePort: port, family: address.family) : UDPFrontend(address: address, port: port)
        }
        for id in Set(removedReals.keys).union(removedServers) {
            if let frontend = frontend(id) { changes.departures.insert(frontend) }
        }
        for (id, reals) in newReals {
            if let frontend = frontend(id) { changes.arrivals[frontend] = reals.count }
        }
        return changes
    }

    // MARK: - Messages

    /// What is done, in order: a new virtual server gets its real servers at once, and no endpoint goes before its
    /// successor is there.
    ///
    /// - Parameters:
    ///   - leaving: real servers that are still there, and are changed instead of made.
    ///   - busy: those that have connections, and therefore stay with a weight of 0.
    func batch(_ leaving: Leaving, busy: [VirtualServerID: Set<RealServerID>]) -> IPVSBatch {
        var batch = IPVSBatch()
        for server in newServers {
            if leaving.servers[server.id]?.isKept == true { batch.change(server) } else { batch.add(server) }
            addReals(of: server.id, leaving, to: &batch)
        }
        for server in changedServers { batch.change(server) }
        let isNew = Set(newServers.map(\.id))
        for id in newReals.keys.sorted() where !isNew.contains(id) { addReals(of: id, leaving, to: &batch) }
        for id in changedReals.keys.sorted() {
            for real in changedReals[id] ?? [] { batch.change(real, of: id) }
        }
        let goes = Set(removedServers)
        for id in removedReals.keys.sorted() {
            let busy = busy[id] ?? []
            for var real in removedReals[id] ?? [] {
                if busy.contains(real.id) {
                    real.weight = 0
                    batch.change(real, of: id)
                } else if !goes.contains(id) || !busy.isEmpty || leaving.servers[id] != nil {
                    batch.remove(real.id, of: id)
                }
            }
        }
        // With a virtual server go its real servers.
        for id in removedServers where busy[id]?.isEmpty != false && leaving.servers[id] == nil { batch.remove(id) }
        return batch
    }

    private func addReals(of id: VirtualServerID, _ leaving: Leaving, to batch: inout IPVSBatch) {
        let known = leaving.servers[id]?.realServers ?? []
        for real in (newReals[id] ?? []).sorted(by: { $0.id < $1.id }) {
            if known.contains(real.id) { batch.change(real, of: id) } else { batch.add(real, to: id) }
        }
    }
}

extension VirtualServerID {
    func isFor(_ addresses: Set<IPAddress>) -> Bool {
        if case .address(let address, _, _) = self { addresses.contains(address) } else { false }
    }
}
