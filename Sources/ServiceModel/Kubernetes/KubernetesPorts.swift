import NetAddress

extension ValueReader {
    /// The ports of a Service; those with errors are left out.
    func kubernetesPorts(_ list: NodeID) -> [ServicePort] {
        guard isList(list) else { return [] }
        var ports: [PlacedPort] = []
        for element in tree.elements(of: list) where isObject(element) {
            if let port = kubernetesPort(element) { ports.append(port) }
        }
        checkPorts(ports)
        return ports.map(\.port)
    }

    private func kubernetesPort(_ node: NodeID) -> PlacedPort? {
        let errors = findings.errorCount
        var placed = PlacedPort(
            port: ServicePort(name: "", port: 1), node: node, portNode: node, nodePortNode: node, nameNode: node)
        var number: UInt16?
        var target: TargetPort?
        for (key, value) in tree.members(of: node) where !isNull(value) {
            switch NativePortField.table.field(for: key, in: tree) {
            case .name:
                placed.nameNode = value
                if !tree.text(of: value, is: "") { placed.port.name = label(value, what: "port name") ?? "" }
            case .protocol: placed.port.transport = transport(value) ?? .tcp
            case .port:
                placed.portNode = value
                number = port(value)
            case .targetPort:
                // Unset, the API writes it as 0 or "".
                if !tree.text(of: value, is: "0"), !tree.text(of: value, is: "") { target = targetPort(value) }
            case .nodePort:
                placed.nodePortNode = value
                if let number = integer(value, in: 0...65535), number > 0 {
                    placed.port.nodePort = UInt16(truncatingIfNeeded: number)
                }
            case nil: continue
            }
        }
        guard findings.errorCount == errors else { return nil }
        guard let number else {
            fail(node, "a port needs a number: \"port\"")
            return nil
        }
        placed.port.port = number
        placed.port.target = target ?? .number(number)
        return placed
    }
}
