import NetAddress

/// All services of all inputs, each name once, and what they may not share.
struct ServiceRegistry {
    /// What became of a definition.
    enum State {
        /// The index of the service in ``services``.
        case decoded(Int)
        case skipped
        /// It had errors, which are noted.
        case invalid
    }

    /// Where a service was defined.
    struct Origin {
        var definition: NodeReference
        /// The list of its ports, for messages about one of them.
        var ports: NodeID?
    }

    private(set) var services: [Service] = []
    private(set) var origins: [Origin] = []
    private(set) var skipped: [SkippedService] = []
    private var known: [ServiceName: (state: State, definition: NodeReference)] = [:]

    /// Adds a definition, or notes that its name is taken.
    mutating func add(
        _ name: ServiceName, _ decoded: Decoded, from reader: ValueReader, nameNode: NodeID, definition: NodeID
    ) {
        let reference = NodeReference(input: reader.input, node: definition)
        if let first = known[name] {
            reader.fail(
                nameNode, "the service \"\(name)\" is defined twice",
                other: first.definition)
            return
        }
        switch decoded {
        case .service(let service, let ports):
            known[name] = (.decoded(services.count), reference)
            services.append(service)
            origins.append(Origin(definition: reference, ports: ports))
        case .skipped(let reason):
            known[name] = (.skipped, reference)
            skipped.append(SkippedService(name: name, reason: reason))
        case .invalid:
            known[name] = (.invalid, reference)
        }
    }

    enum Decoded {
        case service(Service, ports: NodeID?)
        case skipped(SkippedService.Reason)
        case invalid
    }

    func state(of name: ServiceName) -> State? { known[name]?.state }

    /// Lends a service's endpoints for change in place.
    mutating func withEndpoints(of index: Int, _ body: (inout [Endpoint]) -> Void) { body(&services[index].endpoints) }

    func sortedServices() -> [Service] { services.sorted { $0.name < $1.name } }

    /// Notes what others have to say, at the service that it is about.
    func note(_ check: (Service) -> [ServiceRemark], _ findings: FindingCollector) {
        for (service, origin) in zip(services, origins) {
            for remark in check(service) {
                findings.add(
                    .init(
                        severity: remark.severity, input: origin.definition.input,
                        place: .node(origin.definition.node), message: "\(service.name): \(remark.message)"))
            }
        }
    }
}

// MARK: - What two services must not share

extension ServiceRegistry {
    /// Notes every address and port, and every node port, that a second service claims (semantics 8).
    func checkClaims(_ findings: FindingCollector, _ trees: [DocumentTree?]) {
        var addresses: [AddressClaim: Int] = Dictionary(minimumCapacity: services.count * 2)
        var nodePorts: [NodePortClaim: Int] = [:]
        for (index, service) in services.enumerated() {
            for (portIndex, port) in service.ports.enumerated() {
                for address in service.clusterIPs + service.externalIPs + service.loadBalancerIPs {
                    let claim = AddressClaim(address: address, transport: port.transport, port: port.port)
                    guard let first = addresses.insertOrFind(claim, index), first != index else { continue }
                    report(
                        "\(address) \(port.transport.kubernetesName) port \(port.port)", index, portIndex, first,
                        findings, trees)
                }
                guard let nodePort = port.nodePort else { continue }
                let claim = NodePortClaim(transport: port.transport, port: nodePort)
                guard let first = nodePorts.insertOrFind(claim, index), first != index else { continue }
                report(
                    "\(port.transport.kubernetesName) node port \(nodePort)", index, portIndex, first, findings, trees)
            }
            guard let healthPort = service.healthCheckNodePort else { continue }
            let claim = NodePortClaim(transport: .tcp, port: healthPort)
            if let first = nodePorts.insertOrFind(claim, index) {
                report("health check node port \(healthPort)", index, nil, first, findings, trees)
            }
        }
    }

    private struct AddressClaim: Hashable {
        var address: IPAddress
        var transport: TransportProtocol
        var port: UInt16
    }

    private struct NodePortClaim: Hashable {
        var transport: TransportProtocol
        var port: UInt16
    }

    /// Between native definitions an error. Kubernetes' cannot be refused: there the older service wins.
    private func report(
        _ what: String, _ index: Int, _ port: Int?, _ first: Int, _ findings: FindingCollector, _ trees: [DocumentTree?]
    ) {
        let (service, other) = (services[index], services[first])
        let isError = !service.isFromKubernetes && !other.isFromKubernetes
        let origin = origins[index]
        var place = origin.definition.node
        if let port, let list = origin.ports, let tree = trees[origin.definition.input] {
            place = tree.elements(of: list).dropFirst(port).first { _ in true } ?? place
        }
        let consequence = isError ? "" : "; the older of the two keeps it"
        findings.add(
            .init(
                severity: isError ? .error : .warning, input: origin.definition.input, place: .node(place),
                message: "\(what) is claimed by the service \"\(other.name)\" too\(consequence)",
                other: origins[first].definition))
    }
}

extension Dictionary {
    /// Stores a value for a new key, or returns the value that is there.
    fileprivate mutating func insertOrFind(_ key: Key, _ value: Value) -> Value? {
        if let found = self[key] { return found }
        self[key] = value
        return nil
    }
}
