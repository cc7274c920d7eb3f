import NetAddress

extension DefinitionsDecoder {
    mutating func decodeKubernetesService(
        _ node: NodeID, _ fields: FieldNodes<KubernetesObjectField>, _ reader: ValueReader
    ) {
        let errors = findings.errorCount
        let metadata = reader.metadata(fields[.metadata], of: node)
        guard let specNode = fields[.spec] else {
            if metadata != nil { reader.fail(node, "a Service needs a spec") }
            return
        }
        let spec = reader.fields(of: specNode, ServiceSpecField.table)
        if let reason = reader.skipReason(metadata?.labels, spec) {
            guard let metadata else { return }
            registry.add(
                metadata.name, .skipped(reason), from: reader, nameNode: metadata.nameNode, definition: node)
            return
        }
        // What else is wrong with a service is said beside what is wrong with its name.
        var service = Service(name: metadata?.name ?? ServiceName(namespace: "", name: ""))
        service.isFromKubernetes = true
        service.creationTimestamp = metadata?.creationTimestamp
        reader.readSpec(spec, specNode, into: &service)
        if let status = fields[.status] { service.loadBalancerIPs = reader.loadBalancerIPs(status) }
        guard let metadata else { return }
        let decoded: ServiceRegistry.Decoded =
            findings.errorCount == errors ? .service(service, ports: spec[.ports]) : .invalid
        registry.add(metadata.name, decoded, from: reader, nameNode: metadata.nameNode, definition: node)
    }
}

extension ValueReader {
    /// Why a service is not ours to serve (semantics 1).
    fileprivate func skipReason(
        _ labels: NodeID?, _ spec: FieldNodes<ServiceSpecField>
    ) -> SkippedService.Reason? {
        if let labels, tree.hasMember("service.kubernetes.io/service-proxy-name", labels) {
            return .otherProxy
        }
        if let type = spec[.type], tree.kind(type) == .string, tree.text(of: type, is: "ExternalName") {
            return .externalName
        }
        let first =
            spec[.clusterIPs].flatMap { list in tree.elements(of: list).first { _ in true } } ?? spec[.clusterIP]
        guard let first else { return .headless }
        let isNone = tree.kind(first) == .string && (tree.text(of: first, is: "None") || tree.text(of: first, is: ""))
        return isNone ? .headless : nil
    }

    fileprivate func readSpec(
        _ spec: FieldNodes<ServiceSpecField>, _ node: NodeID, into service: inout Service
    ) {
        if let list = spec[.clusterIPs], tree[list].length > 0 || tree.kind(list) != .array {
            service.clusterIPs = clusterIPs(list)
        } else if let single = spec[.clusterIP] {
            service.clusterIPs = address(single, for: .service).map { [$0] } ?? []
        }
        service.externalIPs = spec[.externalIPs].map { serviceAddresses($0, isStrict: false) } ?? []
        service.loadBalancerSourceRanges = spec[.loadBalancerSourceRanges].map { sourceRanges($0) } ?? []
        service.ports = spec[.ports].map { kubernetesPorts($0) } ?? []
        service.clientIPAffinitySeconds = affinitySeconds(spec)
        if let node = spec[.internalTrafficPolicy] {
            service.internalTrafficPolicy = choice(node, of: TrafficPolicy.self) ?? .cluster
        }
        if let node = spec[.externalTrafficPolicy], !tree.text(of: node, is: "") {
            service.externalTrafficPolicy = choice(node, of: TrafficPolicy.self) ?? .cluster
        }
        readHealthCheckPort(spec, into: &service)
        service.publishNotReadyAddresses = spec[.publishNotReadyAddresses].flatMap { bool($0) } ?? false
        if let node = spec[.trafficDistribution], let text = string(node) {
            if TrafficDistribution(rawValue: text) == nil {
                warn(node, "the traffic distribution \(text.quoted) is not known; ignored")
            } else {
                service.trafficDistribution = text
            }
        }
    }

    /// The port counts only for load balancers with a local policy (semantics 48); 0 means none.
    private func readHealthCheckPort(_ spec: FieldNodes<ServiceSpecField>, into service: inout Service) {
        guard let node = spec[.healthCheckNodePort], let number = integer(node, in: 0...65535), number > 0 else {
            return
        }
        guard service.externalTrafficPolicy == .local, let type = spec[.type], tree.text(of: type, is: "LoadBalancer")
        else { return }
        service.healthCheckNodePort = UInt16(truncatingIfNeeded: number)
    }

    private func affinitySeconds(_ spec: FieldNodes<ServiceSpecField>) -> UInt32? {
        guard let node = spec[.sessionAffinity], !tree.text(of: node, is: ""),
            choice(node, of: KubernetesAffinity.self) == .clientIP
        else { return nil }
        guard let config = spec[.sessionAffinityConfig], let client = tree.member("clientIP", of: config),
            let seconds = tree.member("timeoutSeconds", of: client)
        else { return KubernetesAffinity.defaultSeconds }
        return integer(seconds, in: 1...86400).map { UInt32($0) }
    }

    /// The virtual addresses of a load balancer. A host name is not one, and with `ipMode: Proxy` traffic must really
    /// go out to the load balancer (semantics 3).
    fileprivate func loadBalancerIPs(_ status: NodeID) -> [IPAddress] {
        guard let balancer = tree.member("loadBalancer", of: status),
            let ingress = tree.member("ingress", of: balancer), isList(ingress)
        else { return [] }
        var addresses: [IPAddress] = []
        var seen: Set<IPAddress> = []
        for entry in tree.elements(of: ingress) where isObject(entry) {
            if let mode = tree.member("ipMode", of: entry), tree.text(of: mode, is: "Proxy") { continue }
            guard let ip = tree.member("ip", of: entry), !tree.text(of: ip, is: "") else { continue }
            guard let address = address(ip, for: .service), seen.insert(address).inserted else { continue }
            addresses.append(address)
        }
        return addresses
    }
}
