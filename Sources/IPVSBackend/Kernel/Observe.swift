public import Dataplane
internal import IPSet
internal import IPVS
internal import Links
internal import NetAddress
internal import Netlink

// What the kernel has of ours, as the same typed values that lowering makes.

extension IPVSBackend {
    public mutating func observe(into state: inout DeltaTracker<ObjectKey, ObjectValue>) throws(BackendError) {
        state.beginObservation()
        leaving.removeAll()
        let addresses = try observeDevice(into: &state)
        let contents = try observeSets(into: &state)
        try observeChains(into: &state)
        let nodePorts = Set(
            contents.filter { $0.key.role == .nodePorts }.flatMap { $0.value.elements.map(\.key) })
        try observeServers(addresses: addresses, nodePorts: nodePorts, into: &state)
        for (id, content) in contents where id.role == .nodeClients && !leaving.isEmpty {
            for element in content.elements { _ = keepPlace(of: element, in: id, state) }
        }
        note(addresses, contents, in: &state)
        // What the kernel cannot have is no difference.
        if !KernelModules.hasIPv6 { state.observeDesired(where: \.needsIPv6) }
    }

    // MARK: - The device

    /// - Returns: the addresses of our device.
    private mutating func observeDevice(
        into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(BackendError) -> Set<IPAddress> {
        let (device, addresses) = try readDevice()
        if let device { state.observe(.device, device.flags.isSuperset(of: [.up, .noARP]) ? .present : .down) }
        return addresses
    }

    // MARK: - Sets

    /// - Returns: the contents of the sets that are as they should be.
    private mutating func observeSets(
        into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(BackendError) -> [SetID: SetContent] {
        var contents: [SetID: SetContent] = [:]
        for listed in try callSets({ (session) throws(IPSetError) in try session.sets() }) {
            guard let id = SetID(name: listed.name) else { continue }
            guard listed.spec?.fits(id.spec) == true else {
                // Of another form: made by another version, or by somebody. It is made anew.
                state.observe(.set(id), .present)
                continue
            }
            state.observe(.set(id), .set(id.spec))
            contents[id] = try callSets { (session) throws(IPSetError) in try session.content(of: listed.name) }
        }
        return contents
    }

    // MARK: - Virtual servers

    private mutating func observeServers(
        addresses: Set<IPAddress>, nodePorts: Set<SetElement.Key>,
        into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(BackendError) {
        for status in try callIPVS({ (socket) throws(NetlinkError) in try socket.virtualServers() }) {
            let id = status.server.id
            guard Self.isOurs(id, addresses, nodePorts) else { continue }
            // Where another interface has a service's address, nobody may stay.
            let isLost = id.isFor(addresses) && id.isFor(otherAddresses)
            for real in try callIPVS({ (socket) throws(NetlinkError) in try socket.realServers(of: id) }) {
                let key = ObjectKey.realServer(id, real.server.id)
                if state[key] == nil, real.server.weight == 0, id.hasConnections, real.isBusy, !isLost {
                    leaving.insert(real.server.id, of: id)
                } else {
                    state.observe(key, .realServer(real.server))
                }
            }
            if state[.virtualServer(id)] == nil, leaving.servers[id] != nil {
                leaving.keep(id)
            } else {
                state.observe(.virtualServer(id), .virtualServer(status.server))
            }
        }
    }

    /// Virtual servers carry no name: ours are those of the addresses on our device, those of the node's addresses that a
    /// set of ours has, and those for marks of our kind.
    static func isOurs(_ id: VirtualServerID, _ addresses: Set<IPAddress>, _ nodePorts: Set<SetElement.Key>) -> Bool {
        switch id {
        case .address(let address, let transport, let port):
            addresses.contains(address) || nodePorts.contains(.addressPort(address, transport, port))
        case .mark(let mark, _): NodeClientMark.isOurs(mark)
        }
    }

    // MARK: - What belongs to them

    /// Lets a place of the node's own clients stay as long as its virtual server is kept, unless somebody wants the place.
    ///
    /// - Returns: whether it stays.
    mutating func keepPlace(
        of element: SetElement, in id: SetID, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) -> Bool {
        guard case .addressPort(let address, _, _) = element.key, !otherAddresses.contains(address),
            let mark = element.mark?.value, state[.element(id, element.key)] == nil,
            state[.element(SetID(.services, id.family), element.key)] == nil,
            state[.element(SetID(.nodePorts, id.family), element.key)] == nil
        else { return false }
        return leaving.note(element.key, of: .mark(mark, id.family))
    }

    /// What shows that a virtual server is ours stays as long as that does, and is then no difference.
    private func note(
        _ addresses: Set<IPAddress>, _ contents: [SetID: SetContent],
        in state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) {
        let traces = leaving.traces
        for address in addresses where state[.address(address)] != nil || !traces.contain(address) {
            state.observe(.address(address), .present)
        }
        for (id, content) in contents {
            guard content.unreadable == 0 else {
                state.observe(.strayElements(id), .present)
                continue
            }
            for element in content.elements {
                let key = ObjectKey.element(id, element.key)
                if state[key] == nil, traces.contain(element.key, in: id.role) { continue }
                state.observe(key, .element(mark: element.mark, name: element.comment))
            }
        }
    }
}
