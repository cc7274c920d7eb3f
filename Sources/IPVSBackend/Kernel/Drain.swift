public import Dataplane
internal import IPSet
internal import IPVS
internal import NetAddress
internal import Netlink

// Endpoints that leave (semantics 60). TCP connections stay with theirs until they end; new ones go elsewhere.

extension IPVSBackend {
    /// Which real servers that are to go have connections still. Those of an address that is the node's now have no time.
    mutating func busyServers(_ changes: Changes) throws(BackendError) -> [VirtualServerID: Set<RealServerID>] {
        var busy: [VirtualServerID: Set<RealServerID>] = [:]
        for (id, reals) in changes.servers.removedReals where id.hasConnections {
            let going = Set(reals.map(\.id))
            let found = try callIPVS { (socket) throws(NetlinkError) in try socket.realServers(of: id) }
            let those = found.filter { $0.isBusy && going.contains($0.server.id) }
            if !those.isEmpty { busy[id] = Set(those.map(\.server.id)) }
        }
        if changes.addresses.removed.isEmpty || busy.isEmpty && leaving.isEmpty { return busy }
        // What was read last may be old.
        _ = try readDevice()
        let lost = otherAddresses.intersection(changes.addresses.removed)
        if lost.isEmpty { return busy }
        var batch = IPVSBatch()
        for id in leaving.abandon(lost).sorted() { batch.remove(id) }
        _ = try send(batch)
        return busy.filter { !$0.key.isFor(lost) }
    }

    /// Takes note of who stays for the sake of connections, and of who came back.
    mutating func noteLeaving(_ changes: ServerChanges, _ busy: [VirtualServerID: Set<RealServerID>]) {
        for server in changes.newServers { _ = leaving.release(server.id) }
        for (id, reals) in changes.newReals { for real in reals { _ = leaving.remove(real.id, of: id) } }
        for (id, reals) in busy { for real in reals { leaving.insert(real, of: id) } }
        for id in changes.removedServers where leaving.servers[id] != nil { leaving.keep(id) }
    }

    /// While somebody leaves, how soon to look whether it is gone.
    public var attentionPeriod: Duration? { leaving.isEmpty ? nil : .seconds(1) }

    /// How much is asked for at one time: virtual servers, each of which is a call of the kernel, and their real servers.
    static var mostAsked: (virtualServers: Int, realServers: Int) { (64, 4096) }

    /// Lets go of the real servers that have no connections any more, and of what was there for their sake alone. Where many
    /// leave, some are asked each time.
    public mutating func attend(to state: inout DeltaTracker<ObjectKey, ObjectValue>) throws(BackendError) {
        guard !leaving.isEmpty else { return }
        var batch = IPVSBatch()
        var gone: [(id: VirtualServerID, places: [SetElement.Key])] = []
        var after = leaving
        var asked = 0
        for id in leaving.nextTurn(most: Self.mostAsked.virtualServers) {
            guard asked < Self.mostAsked.realServers, let server = leaving.servers[id] else { break }
            after.noteAsked(id)
            let found = try callIPVS { (socket) throws(NetlinkError) in try socket.realServers(of: id) }
            asked += found.count
            let busy = Set(found.filter(\.isBusy).map(\.server.id))
            for real in server.realServers.sorted() where !busy.contains(real) {
                if after.servers[id]?.isKept != true || !server.realServers.isDisjoint(with: busy) {
                    batch.remove(real, of: id)
                }
                _ = after.remove(real, of: id)
            }
            if after.servers[id]?.isKept == true, after.servers[id]?.realServers.isEmpty == true {
                batch.remove(id)
                gone.append((id, leaving.places(of: id)))
                _ = after.release(id)
            }
        }
        _ = try send(batch)
        leaving = after
        try removeTraces(of: gone, state)
    }

    /// Removes what showed that virtual servers are ours, unless somebody wants it.
    ///
    /// - Parameter gone: the virtual servers, each with its places of the node's own clients.
    private mutating func removeTraces(
        of gone: [(id: VirtualServerID, places: [SetElement.Key])],
        _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) throws(BackendError) {
        let traces = leaving.traces
        var addresses: Set<IPAddress> = []
        var operations: [SetOperation] = []
        func remove(_ place: SetElement.Key, _ role: SetRole) {
            guard case .addressPort(let address, _, _) = place else { return }
            let set = SetID(role, address.family)
            if state[.element(set, place)] == nil { operations.append(.delete(SetElement(place), from: set.name)) }
            if state[.address(address)] == nil, !traces.contain(address), addresses.insert(address).inserted {
                operations.append(.delete(SetElement(.address(address)), from: SetID(.addresses, address.family).name))
            }
        }
        for (id, places) in gone {
            if case .address(let address, let transport, let port) = id {
                remove(.addressPort(address, transport, port), .nodePorts)
            }
            for place in places { remove(place, .nodeClients) }
        }
        if !addresses.isEmpty { try self.remove(addresses.sorted()) }
        try applySets(operations)
    }
}
