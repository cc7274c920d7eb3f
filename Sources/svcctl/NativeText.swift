internal import NFTables
internal import NetAddress
internal import ServiceModel

// Services in the native form, as definitions have it; what has its default is left out.

extension Service {
    var nativeJSON: JSON {
        var members = [JSON.Member("name", .string(name.description))]
        func add(_ name: String, _ value: JSON?) {
            if let value { members.append(JSON.Member(name, value)) }
        }
        add("clusterIPs", .texts(clusterIPs))
        add("externalIPs", .texts(externalIPs))
        add("loadBalancerIPs", .texts(loadBalancerIPs))
        add("loadBalancerSourceRanges", .texts(loadBalancerSourceRanges))
        add("ports", .array(ports.map(\.nativeJSON)))
        add("sessionAffinity", clientIPAffinitySeconds.map { ["clientIP": ["timeoutSeconds": .number(Int($0))]] })
        add("internalTrafficPolicy", .choice(internalTrafficPolicy, unless: .cluster))
        add("externalTrafficPolicy", .choice(externalTrafficPolicy, unless: .cluster))
        add("healthCheckNodePort", healthCheckNodePort.map { .number(Int($0)) })
        add("publishNotReadyAddresses", publishNotReadyAddresses ? true : nil)
        // In the native form it makes hints, where Kubernetes has them in the slices.
        add("trafficDistribution", isFromKubernetes ? nil : trafficDistribution.map { .string($0) })
        add("scheduler", .choice(scheduler, unless: .random))
        let flags: [(SchedulerFlags, String)] = [(.fallback, "fallback"), (.port, "port")]
        add("schedulerFlags", .texts(flags.filter { virtualServer.schedulerFlags.contains($0.0) }.map(\.1)))
        add("onePacket", virtualServer.isOnePacket ? true : nil)
        add("forwardingMethod", .choice(virtualServer.forwardingMethod, unless: .masquerade))
        add("allow", .texts(allowedSources))
        add("deny", .texts(deniedSources))
        add(
            "maxConnections",
            .numbers(["perService": maxConnections.map(Int.init), "perSource": maxConnectionsPerSource.map(Int.init)]))
        add(
            "newConnectionsPerSecond",
            newConnectionsPerSecond.map {
                ["perSource": .number(Int($0.perSecond)), "burst": .number(Int($0.burst))]
            })
        add("endpoints", endpoints.isEmpty ? nil : .array(endpoints.map { $0.nativeJSON(ports) }))
        return .object(members)
    }

    /// The bytes of its key in a store.
    ///
    /// - Throws: if the native form cannot say all of it, which happens with Kubernetes objects.
    func nativeText() throws -> [UInt8] {
        var text: [UInt8] = []
        nativeJSON.write(to: &text)
        let input = DefinitionInput(name: "service \(name)", bytes: text)
        let read = try StoredService(decoding: input, named: name).service
        guard read.comparable == comparable else {
            let place = Place(input: input.name)
            throw InvalidDefinitions(findings: [
                Finding(place: place, message: "the native form, which etcd has, cannot say all that this service does")
            ])
        }
        return text
    }

    /// Without what only tells where it came from, and with every port that an endpoint serves.
    private var comparable: Service {
        var service = self
        service.isFromKubernetes = false
        service.creationTimestamp = nil
        if isFromKubernetes { service.trafficDistribution = nil }
        for index in service.endpoints.indices {
            let endpoint = service.endpoints[index]
            service.endpoints[index].inheritsTargetPorts = true
            service.endpoints[index].ports = ports.compactMap { port in
                endpoint.targetPort(for: port).map {
                    EndpointPort(name: port.name, transport: port.transport, port: $0)
                }
            }
        }
        return service
    }
}

extension ServicePort {
    fileprivate var nativeJSON: JSON {
        var members: [JSON.Member] = []
        if !name.isEmpty { members.append(JSON.Member("name", .string(name))) }
        if transport != .tcp { members.append(JSON.Member("protocol", .string(transport.kubernetesName))) }
        members.append(JSON.Member("port", .number(Int(port))))
        switch target {
        case .number(port): break
        case .number(let number): members.append(JSON.Member("targetPort", .number(Int(number))))
        case .name(let name): members.append(JSON.Member("targetPort", .string(name)))
        }
        if let nodePort { members.append(JSON.Member("nodePort", .number(Int(nodePort)))) }
        return .object(members)
    }
}

extension Endpoint {
    /// - Parameter servicePorts: the ports of its service.
    func nativeJSON(_ servicePorts: [ServicePort]) -> JSON {
        var members = [JSON.Member("address", .string(address.description))]
        func add(_ name: String, _ value: JSON?) {
            if let value { members.append(JSON.Member(name, value)) }
        }
        let stated = servicePorts.compactMap { port -> JSON.Member? in
            guard let number = targetPort(for: port), port.target != .number(number) else { return nil }
            return JSON.Member(port.name, .number(Int(number)))
        }
        add("ports", stated.isEmpty ? nil : .object(stated))
        if conditions != .ready {
            add(
                "conditions",
                [
                    "ready": .bool(conditions.contains(.isReady)), "serving": .bool(conditions.contains(.isServing)),
                    "terminating": .bool(conditions.contains(.isTerminating)),
                ])
        }
        add("nodeName", nodeName.map { .string($0) })
        add("zone", zone.map { .string($0) })
        add("weight", weight == 1 ? nil : .number(Int(weight)))
        var hints: [JSON.Member] = []
        for (name, values) in [("forZones", zoneHints), ("forNodes", nodeHints)] where !values.isEmpty {
            hints.append(JSON.Member(name, .array(values.map { ["name": .string($0)] })))
        }
        add("hints", hints.isEmpty ? nil : .object(hints))
        return .object(members)
    }
}

extension JSON {
    /// A list of texts; nil for none.
    fileprivate static func texts(_ values: [some CustomStringConvertible]) -> JSON? {
        values.isEmpty ? nil : .array(values.map { .string($0.description) })
    }

    fileprivate static func choice<Value: RawRepresentable<String> & Equatable>(
        _ value: Value, unless usual: Value
    ) -> JSON? {
        value == usual ? nil : .string(value.rawValue)
    }

    /// An object of the numbers that there are; nil for none.
    fileprivate static func numbers(_ values: KeyValuePairs<String, Int?>) -> JSON? {
        let members = values.compactMap { name, value in value.map { Member(name, .number($0)) } }
        return members.isEmpty ? nil : .object(members)
    }
}
