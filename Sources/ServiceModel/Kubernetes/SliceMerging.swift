import NetAddress

/// Makes one set of endpoints of several slices (semantics 16).
///
/// While slices are rebalanced an endpoint stands in two of them for a while, perhaps with a different state in each.
/// What counts once is the address and port behind one service port: the same address may serve another port, or the
/// same port under another number, and these stay. Of two states the better one stays, which does not depend on the
/// order of slices.
enum SliceMerging {
    /// Sorts by address and leaves out what is there already.
    static func merge(_ endpoints: inout [Endpoint]) {
        endpoints.sort(by: isBefore)
        guard hasEqualNeighbours(endpoints) else { return }
        var merged: [Endpoint] = []
        merged.reserveCapacity(endpoints.count)
        var start = endpoints.startIndex
        while start < endpoints.endIndex {
            let address = endpoints[start].address
            let end = endpoints[start...].firstIndex { $0.address != address } ?? endpoints.endIndex
            appendMerged(endpoints[start..<end], to: &merged)
            start = end
        }
        endpoints = merged
    }

    private static func hasEqualNeighbours(_ endpoints: [Endpoint]) -> Bool {
        zip(endpoints, endpoints.dropFirst()).contains { $0.address == $1.address }
    }

    /// Adds endpoints of one address, the best first: ports that are already served are left out, and ports of
    /// endpoints that are alike in everything else come together in one.
    private static func appendMerged(_ group: ArraySlice<Endpoint>, to merged: inout [Endpoint]) {
        guard group.count > 1 else { return merged.append(contentsOf: group) }
        let first = merged.endIndex
        var served: Set<EndpointPort> = []
        for endpoint in group {
            let ports = endpoint.ports.filter { served.insert($0).inserted }
            guard !ports.isEmpty else { continue }
            var rest = endpoint
            rest.ports = ports
            let match = merged[first...].firstIndex { known in
                isAlike(known, rest) && !ports.contains { new in known.ports.contains { $0.isSamePort(as: new) } }
            }
            if let match {
                merged[match].ports += ports
            } else {
                merged.append(rest)
            }
        }
        for index in first..<merged.endIndex { merged[index].ports.sort(by: isBefore) }
    }

    private static func isAlike(_ left: Endpoint, _ right: Endpoint) -> Bool {
        var right = right
        right.ports = left.ports
        return left == right
    }

    // MARK: - An order that depends on the endpoints alone

    private static func isBefore(_ left: Endpoint, _ right: Endpoint) -> Bool {
        if left.address != right.address { return left.address < right.address }
        if left.conditions != right.conditions { return rank(left.conditions) < rank(right.conditions) }
        if left.nodeName != right.nodeName { return (left.nodeName ?? "~") < (right.nodeName ?? "~") }
        if left.zone != right.zone { return (left.zone ?? "~") < (right.zone ?? "~") }
        if left.zoneHints != right.zoneHints { return left.zoneHints.lexicographicallyPrecedes(right.zoneHints) }
        if left.nodeHints != right.nodeHints { return left.nodeHints.lexicographicallyPrecedes(right.nodeHints) }
        return left.ports.lexicographicallyPrecedes(right.ports, by: isBefore)
    }

    private static func isBefore(_ left: EndpointPort, _ right: EndpointPort) -> Bool {
        (left.name, left.transport, left.port) < (right.name, right.transport, right.port)
    }

    /// Lower is better: ready before serving before neither, and living before terminating.
    private static func rank(_ conditions: EndpointConditions) -> Int {
        (conditions.contains(.isReady) ? 0 : 4) + (conditions.contains(.isServing) ? 0 : 2)
            + (conditions.contains(.isTerminating) ? 1 : 0)
    }
}

extension EndpointPort {
    /// Whether both answer for the same service port, by whatever number.
    fileprivate func isSamePort(as other: EndpointPort) -> Bool { name == other.name && transport == other.transport }
}
