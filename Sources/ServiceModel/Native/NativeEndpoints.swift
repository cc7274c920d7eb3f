import NetAddress

extension ValueReader {
    /// The endpoints of a native service, in order. Ports are checked against the service's, if these are known.
    func nativeEndpoints(_ list: NodeID, ports: [PlacedPort]?) -> [Endpoint] {
        guard isList(list) else { return [] }
        let errors = findings.errorCount
        let servicePorts = ports?.map(\.port)
        let needsPorts = servicePorts?.contains { $0.target.isName } ?? false
        let elements = tree.elements(of: list)
        var endpoints: [Endpoint] = []
        endpoints.reserveCapacity(elements.underestimatedCount)
        for element in elements where isObject(element) {
            if let endpoint = nativeEndpoint(element, servicePorts, needsPorts: needsPorts) {
                endpoints.append(endpoint)
            }
        }
        if let servicePorts, findings.errorCount == errors {
            checkForDuplicates(endpoints, list, servicePorts)
        }
        return endpoints
    }

    /// One endpoint. Its ports are checked against the service's, if these are known.
    ///
    /// - Parameter needsPorts: whether a target port of the service is a name, which each endpoint must state.
    func nativeEndpoint(
        _ node: NodeID, _ servicePorts: [ServicePort]?, needsPorts: Bool
    ) -> Endpoint? {
        let errors = findings.errorCount
        var address: IPAddress?
        var endpoint = Endpoint(address: IPAddress(ipv4: 0))
        var hasPorts = false
        for (key, value) in tree.members(of: node) {
            guard let field = field(key, of: NativeEndpointField.table), !isNull(value) else { continue }
            switch field {
            case .address: address = self.address(value, for: .endpoint)
            case .ports:
                hasPorts = true
                endpoint.ports = nativeEndpointPorts(value, servicePorts, endpoint: node)
            case .conditions: endpoint.conditions = conditions(value, isLenient: false)
            case .nodeName: endpoint.nodeName = nodeName(value)
            case .zone: endpoint.zone = zone(value)
            case .weight:
                endpoint.weight = integer(value, in: 0...65535).map { UInt16(truncatingIfNeeded: $0) } ?? 1
            case .hints: readHints(value, into: &endpoint, isLenient: false)
            }
        }
        if needsPorts, !hasPorts, let servicePorts { checkNamedTargets(servicePorts, stated: [], node) }
        guard findings.errorCount == errors else { return nil }
        guard let address else {
            fail(node, "an endpoint needs an address")
            return nil
        }
        endpoint.address = address
        return endpoint
    }

    /// `{"http": 9090}`: the keys are names of service ports, or the names these give as target ports.
    private func nativeEndpointPorts(
        _ node: NodeID, _ servicePorts: [ServicePort]?, endpoint: NodeID
    ) -> [EndpointPort] {
        guard isObject(node) else { return [] }
        var stated: [(name: String, port: UInt16)] = []
        for (key, value) in tree.members(of: node) {
            let name = tree.string(key)
            if let servicePorts, !servicePorts.contains(where: { $0.name == name || $0.target == .name(name) }) {
                let names = servicePorts.flatMap { port in
                    if case .name(let target) = port.target { [port.name, target] } else { [port.name] }
                }
                fail(
                    key,
                    "the service has no port of the name \(name.quoted)\(NearestName.hint(for: name, among: names))")
            } else if !isNull(value), let number = port(value) {
                stated.append((name, number))
            }
        }
        guard let servicePorts else { return [] }
        checkNamedTargets(servicePorts, stated: stated.map(\.name), endpoint)
        return servicePorts.compactMap { port in
            let match = stated.first { $0.name == port.name } ?? stated.first { port.target == .name($0.name) }
            return match.map { EndpointPort(name: port.name, transport: port.transport, port: $0.port) }
        }
    }

    /// A target port given by name has no number until the endpoint states it.
    private func checkNamedTargets(_ servicePorts: [ServicePort], stated: [String], _ endpoint: NodeID) {
        for port in servicePorts {
            guard case .name(let target) = port.target, !stated.contains(target), !stated.contains(port.name) else {
                continue
            }
            fail(endpoint, "the target port \(target.quoted) has no number here; state it in \"ports\"")
        }
    }

    // MARK: - Endpoints that stand twice

    private func checkForDuplicates(_ endpoints: [Endpoint], _ list: NodeID, _ ports: [ServicePort]) {
        guard endpoints.count > 16 || Self.hasEqualAddresses(endpoints) else { return }
        let nodes = Array(tree.elements(of: list))
        let usual = ServedPorts.usual(ports)
        var seen: [ServedPorts: NodeID] = Dictionary(minimumCapacity: endpoints.count)
        for (endpoint, node) in zip(endpoints, nodes) {
            let served = ServedPorts(endpoint, ports, usual: usual)
            guard let first = seen[served] else {
                seen[served] = node
                continue
            }
            fail(
                node, "the endpoint \(endpoint.address) stands twice with the same ports",
                other: NodeReference(input: input, node: first))
        }
    }

    /// A quick look for short lists, where nearly all addresses differ.
    private static func hasEqualAddresses(_ endpoints: [Endpoint]) -> Bool {
        endpoints.indices.contains { index in
            endpoints[..<index].contains { $0.address == endpoints[index].address }
        }
    }
}

/// What makes two endpoints the same: the address, and the port for each service port; empty if it states none of its
/// own.
struct ServedPorts: Hashable {
    private var address: IPAddress
    private var ports: [UInt16?] = []

    /// - Parameter usual: what ``usual(_:)`` says of the service's ports.
    init(_ endpoint: Endpoint, _ servicePorts: [ServicePort], usual: [UInt16?]) {
        address = endpoint.address
        guard !endpoint.ports.isEmpty else { return }
        let stated = servicePorts.map { endpoint.targetPort(for: $0) }
        if stated != usual { ports = stated }
    }

    /// The ports of an endpoint that states none of its own.
    static func usual(_ servicePorts: [ServicePort]) -> [UInt16?] {
        servicePorts.map { Endpoint(address: IPAddress(ipv4: 0)).targetPort(for: $0) }
    }
}

extension TargetPort {
    var isName: Bool {
        if case .name = self { true } else { false }
    }
}
