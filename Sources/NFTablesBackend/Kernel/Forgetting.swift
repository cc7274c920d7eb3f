internal import NFTables
internal import NetAddress
internal import Netlink
internal import RulesetAccess

// Clients that are remembered for an endpoint which leaves its pool are forgotten in the transaction that takes it away,
// so that none of them goes there again (semantics 37). Who is learnt between our look and the transaction is caught by
// the rules, which know the departed.

extension NFTablesBackend {
    /// Finds the clients of endpoints that leave. Of what rules have remembered, only the groups are read that the pools of
    /// these endpoints belong to: a dump takes time quadratic in its size.
    mutating func forgetClients(of changes: inout Changes) throws(KernelError) {
        for family in changes.families where !changes.familiesToRebuild.contains(family) {
            let gone = changes.departures(family)
            for group in Set(gone.compactMap { $0.poolGroup(family) }).sorted() {
                let map = SetID.affinity(family, group: group)
                // The kernel may repeat what it lists while it enlarges a set, and takes no entry away twice.
                var found: [ElementKey: ElementValue] = [:]
                do {
                    try read { (socket) throws(NetlinkError) in
                        found = [:]
                        try socket.elements(of: map.definition) { element in
                            guard let departed = element.departure(family), gone.contains(departed) else { return }
                            found[element.key] = element.value
                        }
                    }
                } catch  where error.isAbsent {
                    // Somebody has removed it: nobody is remembered.
                    continue
                }
                changes.forgotten[map] = found
            }
        }
    }
}

extension Changes {
    /// The endpoints that leave their pools, each with the number of the pool.
    fileprivate func departures(_ family: IPFamily) -> Set<ElementKey> {
        Set(obsoleteElements[SetID(family, .affinityEndpoints)].map(\.0))
    }

    /// Deletes what must be forgotten, and tells the rules who has left. Entries expire under our hands, and deleting one
    /// that is not there would make the kernel refuse everything; so each is added first, which leaves one that is there
    /// as it is.
    func forgetClients(_ family: IPFamily, in batch: inout Batch) {
        for (map, entries) in forgotten.sorted(by: { $0.key < $1.key })
        where map.family == family && !entries.isEmpty && !isObsolete(map) {
            let entries = entries.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            batch.add(entries, to: map.definition)
            batch.delete(entries, from: map.definition)
        }
    }

    /// Tells the rules who has left, from now on for as long as anybody may be remembered.
    func noteDepartures(_ family: IPFamily, in batch: inout Batch) {
        guard !familiesToRebuild.contains(family) else { return }
        let departed = departures(family).sorted().map { ($0, ElementValue.member) }
        guard !departed.isEmpty else { return }
        let set = SetID(family, .affinityDeparted).definition
        // Who has left before may still be there.
        batch.add(departed, to: set)
        batch.delete(departed, from: set)
        batch.add(departed, to: set)
    }
}

extension KernelError {
    fileprivate var isAbsent: Bool { if case .netlink(let error) = self { error.isAbsent } else { false } }
}

extension ElementKey {
    /// The group of the pool whose number begins the key.
    fileprivate func poolGroup(_ family: IPFamily) -> UInt8? {
        withBytes { bytes in
            guard bytes.count >= family.addressLength,
                let address = IPAddress(
                    networkBytes: UnsafeRawBufferPointer(rebasing: bytes[..<family.addressLength]))
            else { return nil }
            return PoolAddress.number(address).map(PoolGroup.affinity)
        }
    }
}

extension ObservedElement {
    /// The pool's number and the endpoint of an entry of the map of clients: an element of the set of endpoints that
    /// clients may come back to.
    fileprivate func departure(_ family: IPFamily) -> ElementKey? {
        guard let endpoint = value.endpoint else { return nil }
        let length = family.addressLength
        let number = key.withBytes { bytes in
            bytes.count >= 2 * length
                ? IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: bytes[length..<2 * length])) : nil
        }
        guard let number else { return nil }
        var departed = ElementKey()
        departed.append(number)
        departed.append(endpoint.address)
        departed.append(port: endpoint.port)
        return departed
    }
}
