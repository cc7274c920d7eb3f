import NetAddress

/// A port of a service and where it stands.
struct PlacedPort {
    var port: ServicePort
    var node: NodeID
    /// The nodes of the parts, for messages; the port's own node where a part was left out.
    var portNode: NodeID
    var nodePortNode: NodeID
    var nameNode: NodeID
}

extension ValueReader {
    /// What the ports of one service must keep among themselves, in both forms of definition.
    func checkPorts(_ ports: [PlacedPort]) {
        guard ports.count > 1 else { return }
        var seen: [PortClaim: NodeID] = [:]
        func check(_ claim: PortClaim, _ node: NodeID, of placed: PlacedPort, _ message: @autoclosure () -> String) {
            guard let other = seen[claim] else { return seen[claim] = placed.node }
            fail(node, message(), other: NodeReference(input: input, node: other))
        }
        for placed in ports {
            let port = placed.port
            let transport = port.transport
            if port.name.isEmpty {
                fail(placed.node, "a service with more than one port needs a name for each")
            } else {
                check(.name(port.name), placed.nameNode, of: placed, "the port name \(port.name.quoted) stands twice")
            }
            check(
                .port(transport, port.port), placed.portNode, of: placed,
                "\(transport.kubernetesName) port \(port.port) stands twice")
            guard let nodePort = port.nodePort else { continue }
            check(
                .nodePort(transport, nodePort), placed.nodePortNode, of: placed,
                "\(transport.kubernetesName) node port \(nodePort) stands twice")
        }
    }

    private enum PortClaim: Hashable {
        case name(String)
        case port(TransportProtocol, UInt16)
        case nodePort(TransportProtocol, UInt16)
    }

    /// A number, or the name of a port that each endpoint resolves for itself.
    func targetPort(_ node: NodeID) -> TargetPort? {
        guard tree.kind(node) == .string else { return port(node).map(TargetPort.number) }
        let isNumber = tree.withText(of: node) { !$0.isEmpty && $0.allSatisfy(NameSyntax.isDigit) }
        if isNumber {
            fail(node, "the target port \(description(of: node)) is a number in quotes; leave out the quotes")
            return nil
        }
        return label(node, what: "target port").map(TargetPort.name)
    }
}
