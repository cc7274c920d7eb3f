import NetAddress

extension DefinitionsDecoder {
    /// Decodes `{"services": […]}`.
    mutating func decodeNativeDocument(_ document: NodeID, _ reader: ValueReader) {
        guard reader.tree.hasMember("services", document) else {
            return refuseUnknownDocument(document, reader)
        }
        for (key, value) in reader.tree.members(of: document) {
            guard reader.field(key, of: NativeDocumentField.table) != nil, !reader.isNull(value) else { continue }
            guard reader.isList(value) else { continue }
            for service in reader.tree.elements(of: value) { decodeNativeService(service, reader) }
        }
    }

    private func refuseUnknownDocument(_ document: NodeID, _ reader: ValueReader) {
        for (key, _) in reader.tree.members(of: document) {
            let name = reader.tree.string(key)
            let hint = NearestName.hint(for: name, among: ["services", "kind", "apiVersion"])
            if !hint.isEmpty { return reader.fail(key, "unknown field \(name.quoted)\(hint)") }
        }
        reader.fail(document, "expected definitions (\"services\") or a Kubernetes object (\"kind\"), found neither")
    }

    private mutating func decodeNativeService(_ node: NodeID, _ reader: ValueReader) {
        guard reader.isObject(node) else { return }
        let errors = findings.errorCount
        let fields = reader.nativeServiceNodes(node)
        guard let nameNode = fields.name else { return reader.fail(node, "a service needs a name") }
        let name = reader.serviceName(nameNode)
        let service = reader.nativeService(name ?? ServiceName(namespace: "default", name: "x"), node, fields)
        guard let name else { return }
        let decoded: ServiceRegistry.Decoded =
            findings.errorCount == errors ? .service(service, ports: fields.ports) : .invalid
        registry.add(name, decoded, from: reader, nameNode: nameNode, definition: node)
    }
}

/// The values of a service's members, whatever their order in the text.
struct NativeServiceNodes {
    var name, clusterIPs, externalIPs, loadBalancerIPs, loadBalancerSourceRanges, ports, sessionAffinity: NodeID?
    var internalTrafficPolicy, externalTrafficPolicy, healthCheckNodePort, publishNotReadyAddresses: NodeID?
    var trafficDistribution, scheduler, schedulerFlags, onePacket, forwardingMethod, endpoints: NodeID?
    var allow, deny, maxConnections, newConnectionsPerSecond: NodeID?
}

extension ValueReader {
    func nativeServiceNodes(_ node: NodeID) -> NativeServiceNodes {
        var nodes = NativeServiceNodes()
        for (key, value) in tree.members(of: node) {
            guard let field = field(key, of: NativeServiceField.table), !isNull(value) else { continue }
            switch field {
            case .name: nodes.name = value
            case .clusterIPs: nodes.clusterIPs = value
            case .externalIPs: nodes.externalIPs = value
            case .loadBalancerIPs: nodes.loadBalancerIPs = value
            case .loadBalancerSourceRanges: nodes.loadBalancerSourceRanges = value
            case .ports: nodes.ports = value
            case .sessionAffinity: nodes.sessionAffinity = value
            case .internalTrafficPolicy: nodes.internalTrafficPolicy = value
            case .externalTrafficPolicy: nodes.externalTrafficPolicy = value
            case .healthCheckNodePort: nodes.healthCheckNodePort = value
            case .publishNotReadyAddresses: nodes.publishNotReadyAddresses = value
            case .trafficDistribution: nodes.trafficDistribution = value
            case .scheduler: nodes.scheduler = value
            case .schedulerFlags: nodes.schedulerFlags = value
            case .onePacket: nodes.onePacket = value
            case .forwardingMethod: nodes.forwardingMethod = value
            case .endpoints: nodes.endpoints = value
            case .allow: nodes.allow = value
            case .deny: nodes.deny = value
            case .maxConnections: nodes.maxConnections = value
            case .newConnectionsPerSecond: nodes.newConnectionsPerSecond = value
            }
        }
        return nodes
    }

    func nativeService(
        _ name: ServiceName, _ node: NodeID, _ nodes: NativeServiceNodes
    ) -> Service {
        let errors = findings.errorCount
        var service = Service(name: name)
        service.clusterIPs = nodes.clusterIPs.map { clusterIPs($0) } ?? []
        service.externalIPs = nodes.externalIPs.map { serviceAddresses($0, isStrict: true) } ?? []
        service.loadBalancerIPs = nodes.loadBalancerIPs.map { serviceAddresses($0, isStrict: true) } ?? []
        service.loadBalancerSourceRanges = nodes.loadBalancerSourceRanges.map { sourceRanges($0) } ?? []
        let ports = nodes.ports.map { nativePorts($0) } ?? []
        service.ports = ports.map(\.port)
        readPolicies(nodes, into: &service)
        service.virtualServer = virtualServerSettings(nodes, of: service)
        readLimits(nodes, into: &service)
        let isComplete = findings.errorCount == errors
        if isComplete { checkIsReachable(service, node) }
        // Endpoints refer to the ports: with wrong ports they would all seem wrong.
        if let endpoints = nodes.endpoints {
            service.endpoints = nativeEndpoints(endpoints, ports: isComplete ? ports : nil)
        }
        return service
    }

    private func readPolicies(_ nodes: NativeServiceNodes, into service: inout Service) {
        service.clientIPAffinitySeconds = nodes.sessionAffinity.flatMap { nativeAffinity($0) }
        if let node = nodes.internalTrafficPolicy {
            service.internalTrafficPolicy = choice(node, of: TrafficPolicy.self) ?? .cluster
        }
        if let node = nodes.externalTrafficPolicy {
            service.externalTrafficPolicy = choice(node, of: TrafficPolicy.self) ?? .cluster
        }
        if let node = nodes.healthCheckNodePort {
            service.healthCheckNodePort = port(node)
            if service.externalTrafficPolicy != .local {
                fail(node, "a health check port needs \"externalTrafficPolicy\": \"Local\"")
            }
        }
        service.publishNotReadyAddresses = nodes.publishNotReadyAddresses.flatMap { bool($0) } ?? false
        service.trafficDistribution =
            nodes.trafficDistribution
            .flatMap { choice($0, of: TrafficDistribution.self) }?.rawValue
        service.scheduler = nodes.scheduler.flatMap { choice($0, of: Scheduler.self) } ?? .random
    }

    /// `{"clientIP": {"timeoutSeconds": N}}`, or Kubernetes' `"None"` and `"ClientIP"`.
    private func nativeAffinity(_ node: NodeID) -> UInt32? {
        if tree.kind(node) == .string {
            return choice(node, of: KubernetesAffinity.self) == .clientIP ? KubernetesAffinity.defaultSeconds : nil
        }
        guard isObject(node) else { return nil }
        var seconds: UInt32?
        for (key, value) in tree.members(of: node) where field(key, of: AffinityField.table) != nil {
            guard !isNull(value), isObject(value) else { continue }
            seconds = KubernetesAffinity.defaultSeconds
            for (key, value) in tree.members(of: value) where field(key, of: ClientIPField.table) != nil {
                if !isNull(value) { seconds = integer(value, in: 1...86400).map { UInt32($0) } }
            }
        }
        return seconds
    }

    private func checkIsReachable(_ service: Service, _ node: NodeID) {
        if service.ports.isEmpty { fail(node, "a service needs at least one port") }
        let hasAddress = !service.clusterIPs.isEmpty || !service.externalIPs.isEmpty || !service.loadBalancerIPs.isEmpty
        if !hasAddress, !service.ports.contains(where: { $0.nodePort != nil }) {
            fail(
                node,
                "a service needs an address: one of clusterIPs, externalIPs and "
                    + "loadBalancerIPs, or a nodePort")
        }
    }
}

/// The values of Kubernetes' `sessionAffinity`.
enum KubernetesAffinity: String, CaseIterable {
    case none = "None"
    case clientIP = "ClientIP"

    /// Three hours.
    static let defaultSeconds: UInt32 = 10800
}
