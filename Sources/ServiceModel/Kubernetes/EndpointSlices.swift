import NetAddress

extension DefinitionsDecoder {
    /// Gives the endpoints of all slices to their services.
    mutating func decodeSlices(_ readers: [ValueReader?]) {
        var touched: Set<Int> = []
        for slice in slices {
            guard let reader = readers[slice.object.input] else { continue }
            switch registry.state(of: slice.service) {
            case .decoded(let index):
                guard registry.services[index].isFromKubernetes else {
                    reader.warn(
                        slice.label, "the service \"\(slice.service)\" has a native definition; the slice is ignored")
                    continue
                }
                registry.withEndpoints(of: index) { reader.readSlice(slice.object.node, into: &$0) }
                touched.insert(index)
            case .skipped: continue
            case .invalid:
                // What is wrong with it is said now, not once its service is right.
                var endpoints: [Endpoint] = []
                reader.readSlice(slice.object.node, into: &endpoints)
            case nil:
                // The service may stand in an input that could not be read.
                if trees.contains(where: { $0 == nil }) { continue }
                reader.warn(slice.label, "there is no service \"\(slice.service)\"; the slice is ignored")
            }
        }
        for index in touched { registry.withEndpoints(of: index) { SliceMerging.merge(&$0) } }
    }
}

extension ValueReader {
    /// Appends the endpoints of one EndpointSlice.
    fileprivate func readSlice(_ node: NodeID, into endpoints: inout [Endpoint]) {
        let fields = fields(of: node, KubernetesObjectField.table)
        guard let type = fields[.addressType] else { return fail(node, "an EndpointSlice needs an addressType") }
        guard let family = sliceFamily(type) else { return }
        let ports = fields[.ports].map { slicePorts($0) } ?? []
        guard let list = fields[.endpoints], isList(list) else { return }
        let elements = tree.elements(of: list)
        endpoints.reserveCapacity(endpoints.count + elements.underestimatedCount)
        for element in elements where isObject(element) {
            guard var endpoint = sliceEndpoint(element, family) else { continue }
            // One array, shared by all endpoints of the slice.
            endpoint.ports = ports
            if !ports.isEmpty { endpoints.append(endpoint) }
        }
    }

    /// Nil for names instead of addresses (semantics 2), and, with a finding, for anything unknown.
    private func sliceFamily(_ node: NodeID) -> IPFamily? {
        guard isString(node) else { return nil }
        if tree.text(of: node, is: "IPv4") { return .ipv4 }
        if tree.text(of: node, is: "IPv6") { return .ipv6 }
        if !tree.text(of: node, is: "FQDN") {
            fail(node, "expected \"IPv4\", \"IPv6\" or \"FQDN\", found \(description(of: node))")
        }
        return nil
    }

    /// Ports without a name or a number are ignored (semantics 10); an empty name belongs to an unnamed service port.
    private func slicePorts(_ list: NodeID) -> [EndpointPort] {
        guard isList(list) else { return [] }
        var ports: [EndpointPort] = []
        var seen: Set<EndpointPort> = []
        for element in tree.elements(of: list) where isObject(element) {
            var name: String?
            var transport = TransportProtocol.tcp
            var number: Int?
            for (key, value) in tree.members(of: element) where !isNull(value) {
                switch SlicePortField.table.field(for: key, in: tree) {
                case .name: name = tree.text(of: value, is: "") ? "" : label(value, what: "port name")
                case .protocol: transport = self.transport(value) ?? .tcp
                case .port: number = integer(value, in: 0...65535)
                case nil: continue
                }
            }
            guard let number, number > 0 else { continue }
            guard let name else {
                // The API server fills it in, so that this was written by hand.
                warn(element, "a port without a name is ignored; that of an unnamed service port has the name \"\"")
                continue
            }
            let port = EndpointPort(name: name, transport: transport, port: UInt16(truncatingIfNeeded: number))
            if seen.insert(port).inserted { ports.append(port) }
        }
        return ports
    }

    private func sliceEndpoint(_ node: NodeID, _ family: IPFamily) -> Endpoint? {
        var endpoint = Endpoint(address: IPAddress(ipv4: 0))
        endpoint.inheritsTargetPorts = false
        var address: IPAddress?
        var hasAddresses = false
        for (key, value) in tree.members(of: node) where !isNull(value) {
            switch SliceEndpointField.table.field(for: key, in: tree) {
            case .addresses:
                hasAddresses = true
                address = firstAddress(value, family)
            case .conditions: endpoint.conditions = conditions(value, isLenient: true)
            case .nodeName: endpoint.nodeName = nodeName(value)
            case .zone:
                if !tree.text(of: value, is: "") { endpoint.zone = zone(value) }
            case .hints: readHints(value, into: &endpoint, isLenient: true)
            case nil: continue
            }
        }
        if !hasAddresses { fail(node, "an endpoint needs an address") }
        guard let address else { return nil }
        endpoint.address = address
        return endpoint
    }

    /// The first address stands for the endpoint; more than one has no meaning (semantics 10).
    private func firstAddress(_ list: NodeID, _ family: IPFamily) -> IPAddress? {
        guard isList(list) else { return nil }
        guard let first = tree.elements(of: list).first(where: { _ in true }) else {
            fail(list, "an endpoint needs an address")
            return nil
        }
        guard let address = address(first, for: .endpoint) else { return nil }
        guard address.family == family else {
            fail(first, "\(address) is \(address.family), but the slice's addressType is \(family)")
            return nil
        }
        return address
    }
}
