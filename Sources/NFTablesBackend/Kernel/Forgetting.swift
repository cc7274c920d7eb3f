internal import NFTables
internal import NetAddress
internal import Netlink

// Clients that are remembered for an endpoint which leaves its pool are forgotten in the transaction that takes it away,
// so that none of them goes there again (semantics 37). Who is learnt between our look and the transaction is caught by
// the rules themselves.

extension NFTablesBackend {
    /// Finds the clients of endpoints that leave. What rules have remembered is read only if there are any.
    mutating func forgetClients(of changes: inout Changes) throws(KernelError) {
        for family in IPFamily.allCases where !changes.familiesToRebuild.contains(family) {
            let gone = changes.departures(family)
            guard !gone.isEmpty else { continue }
            var found: [(ElementKey, ElementValue)] = []
            try read { (socket) throws(NetlinkError) in
                found = []
                try socket.elements(of: SetID(family, .affinity).definition) { element in
                    guard let departed = element.departure(family), gone.contains(departed) else { return }
                    found.append((element.key, element.value))
                }
            }
            changes.forgotten[family] = found
        }
    }
}

extension Changes {
    /// The endpoints that leave their pools, each with the number of the pool.
    fileprivate func departures(_ family: IPFamily) -> Set<ElementKey> {
        let set = SetID(family, .affinityEndpoints)
        return Set(obsoleteElements.inOrder(family).first { $0.set == set }?.elements.map(\.0) ?? [])
    }

    /// Deletes what must be forgotten. Entries expire under our hands, and deleting one that is not there would make the
    /// kernel refuse everything; so each is added first, which leaves one that is there as it is.
    func forgetClients(_ family: IPFamily, in batch: inout Batch) {
        guard let entries = forgotten[family], !entries.isEmpty else { return }
        let map = SetID(family, .affinity).definition
        batch.add(entries, to: map)
        batch.delete(entries, from: map)
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
