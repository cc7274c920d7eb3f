import NetAddress

extension ValueReader {
    /// The ports of a native service; those with errors are left out.
    func nativePorts(_ list: NodeID) -> [PlacedPort] {
        guard isList(list) else { return [] }
        var ports: [PlacedPort] = []
        for element in tree.elements(of: list) where isObject(element) {
            if let port = nativePort(element) { ports.append(port) }
        }
        checkPorts(ports)
        return ports
    }

    private func nativePort(_ node: NodeID) -> PlacedPort? {
        let errors = findings.errorCount
        var placed = PlacedPort(
            port: ServicePort(name: "", port: 1), node: node, portNode: node, nodePortNode: node, nameNode: node)
        var number: UInt16?
        var target: TargetPort?
        for (key, value) in tree.members(of: node) {
            guard let field = field(key, of: NativePortField.table), !isNull(value) else { continue }
            switch field {
            case .name:
                placed.nameNode = value
                placed.port.name = label(value, what: "port name") ?? ""
            case .protocol: placed.port.transport = transport(value) ?? .tcp
            case .port:
                placed.portNode = value
                number = port(value)
            case .targetPort: target = targetPort(value)
            case .nodePort:
                placed.nodePortNode = value
                placed.port.nodePort = port(value)
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
