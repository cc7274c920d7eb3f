public import Dataplane
internal import IPSet
internal import IPVS
internal import Links
internal import NFTables
internal import NetAddress
internal import Netlink
internal import RulesetAccess
internal import XTables

extension IPVSBackend {
    /// Removes our virtual servers, with their connections, our chains, sets and the interface, in the reverse order of their
    /// making. Where there is nothing of ours, no module of the kernel is loaded for looking.
    ///
    /// - Throws: also if somebody else has an interface of our name. All that is ours is removed then.
    public mutating func removeAll() throws(BackendError) -> ChangeSummary {
        var removed = 0
        let (device, addresses, obstacle) = try findDevice()
        // Who made sets made the interface too. A program that cannot look for sets has made none.
        let canHaveSets = KernelModules.hasIPSet && (IPSetSession.hasLibrary || device != nil)
        let ourSets = try canHaveSets ? existingSets() : []
        if device != nil || !ourSets.isEmpty {
            // Where our interface is gone, the sets know its addresses still.
            let listed = try places(in: ourSets)
            if KernelModules.hasIPVS {
                removed += try removeServers(addresses.union(listed.addresses), listed.nodePorts)
            }
        }
        if let device {
            removed += addresses.count + 1
            try callLinks { (socket) throws(LinkError) in try socket.remove(device) }
        }
        removed += try removeChains()
        removed += ourSets.count
        try destroySets(ourSets)
        leaving = Leaving()
        if let obstacle {
            throw BackendError(obstacle.kind, obstacle.message + "; all else of the IPVS backend has been removed")
        }
        return ChangeSummary(removed: removed)
    }

    /// What sets of ours say of whose virtual servers are.
    private mutating func places(
        in sets: [String]
    ) throws(BackendError) -> (addresses: Set<IPAddress>, nodePorts: Set<SetElement.Key>) {
        var found: (addresses: Set<IPAddress>, nodePorts: Set<SetElement.Key>) = ([], [])
        for name in sets {
            guard let role = SetID(name: name)?.role, role == .addresses || role == .nodePorts else { continue }
            let content = try callSets { (session) throws(IPSetError) in try session.content(of: name) }
            for element in content?.elements ?? [] {
                if case .address(let address) = element.key {
                    found.addresses.insert(address)
                } else {
                    found.nodePorts.insert(element.key)
                }
            }
        }
        return found
    }

    private mutating func existingSets() throws(BackendError) -> [String] {
        try callSets { (session) throws(IPSetError) in try session.sets() }.map(\.name)
            .filter { SetID(name: $0) != nil }
    }

    private mutating func removeServers(
        _ addresses: Set<IPAddress>, _ nodePorts: Set<SetElement.Key>
    ) throws(BackendError) -> Int {
        var batch = IPVSBatch()
        for status in try callIPVS({ (socket) throws(NetlinkError) in try socket.virtualServers() })
        where Self.isOurs(status.server.id, addresses, nodePorts) {
            batch.remove(status.server.id)
        }
        _ = try send(batch)
        return batch.count
    }

    /// Removes our jumps and chains in one transaction.
    ///
    /// - Returns: how many there were.
    @discardableResult
    mutating func removeChains() throws(BackendError) -> Int {
        do {
            let found = try foundChains()
            var batch = Batch(generation: nil)
            var removed = 0
            for base in found where !base.isOurs {
                for (handle, rule) in base.rules where rule.isJumpOfOurs {
                    batch.deleteRules(of: base.chain, handle: handle)
                    removed += 1
                }
            }
            let ours = found.filter { $0.isOurs && ($0.rules.isEmpty || $0.rules.contains(where: \.rule.isMark)) }
            for content in ours where !content.rules.isEmpty { batch.deleteRules(of: content.chain) }
            for content in ours { batch.delete(content.chain) }
            removed += ours.count
            if removed > 0 { try session.commit(batch) }
            chains.jumpHandles = [:]
            return removed
        } catch {
            throw error.backendError
        }
    }
}
