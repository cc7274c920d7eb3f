import NetAddress
import ServiceModel
import Testing

/// The services of a real API server, one by one.
@Suite struct KubernetesFormTests {
    let definitions: Definitions

    init() throws {
        definitions = try Definitions(decoding: [DefinitionInput(name: "cluster.json", bytes: clusterJSON())])
    }

    private func service(_ namespace: String, _ name: String) throws -> Service {
        try #require(definitions.services.first { $0.name == ServiceName(namespace: namespace, name: name) })
    }

    /// A service with what every one of these has.
    private func expected(
        _ namespace: String, _ name: String, _ address: String, created: String, _ ports: [ServicePort]
    ) throws -> Service {
        var service = Service(name: ServiceName(namespace: namespace, name: name))
        service.clusterIPs = [try ServiceModelTests.address(address)]
        service.ports = ports
        service.isFromKubernetes = true
        service.creationTimestamp = created
        return service
    }

    private func endpoint(
        _ address: String, _ node: String, _ ports: [EndpointPort], _ conditions: EndpointConditions = .ready,
        hint: String? = nil
    ) throws -> Endpoint {
        var endpoint = Endpoint(address: try ServiceModelTests.address(address))
        endpoint.ports = ports
        endpoint.inheritsTargetPorts = false
        endpoint.conditions = conditions
        endpoint.nodeName = "node-\(node)"
        endpoint.zone = "zone-\(node)"
        endpoint.zoneHints = hint.map { [$0] } ?? []
        return endpoint
    }

    @Test func readsTheListAsAWhole() {
        #expect(definitions.warnings.isEmpty)
        #expect(
            definitions.services.map(\.name.description) == [
                "default/kubernetes", "edge/ingress", "kube-system/kube-dns", "shop/agent", "shop/api", "shop/early",
                "shop/empty", "shop/sctp", "shop/web",
            ])
        #expect(
            definitions.skipped == [
                SkippedService(name: ServiceName(namespace: "shop", name: "db"), reason: .headless),
                SkippedService(name: ServiceName(namespace: "shop", name: "legacy"), reason: .externalName),
                SkippedService(name: ServiceName(namespace: "shop", name: "meshed"), reason: .otherProxy),
            ])
    }

    @Test func kubernetes() throws {
        let ports = [ServicePort(name: "https", port: 443, target: .number(6443))]
        #expect(
            try service("default", "kubernetes")
                == expected("default", "kubernetes", "10.96.0.1", created: "2026-11-23T21:31:43Z", ports))
    }

    @Test func loadBalancer() throws {
        var service = try expected(
            "edge", "ingress", "10.96.89.190", created: "2026-11-23T21:32:29Z",
            [
                ServicePort(name: "http", port: 80, target: .number(8080), nodePort: 30795),
                ServicePort(name: "https", port: 443, target: .number(8443), nodePort: 32299),
            ])
        service.loadBalancerIPs = [try address("203.0.113.8")]
        service.loadBalancerSourceRanges = ["198.51.100.0/24", "192.0.2.0/24"].compactMap { CIDR($0) }
        service.externalTrafficPolicy = .local
        service.healthCheckNodePort = 32005
        service.clientIPAffinitySeconds = 600
        let ports = [EndpointPort(name: "http", port: 8080), EndpointPort(name: "https", port: 8443)]
        service.endpoints = [
            try endpoint("10.244.1.9", "a", ports),
            try endpoint("10.244.1.10", "a", ports, [.isServing, .isTerminating]),
            try endpoint("10.244.2.9", "b", ports),
        ]
        #expect(try self.service("edge", "ingress") == service)
    }

    @Test func dns() throws {
        var service = try expected(
            "kube-system", "kube-dns", "10.96.0.53", created: "2026-11-23T21:32:29Z",
            [
                ServicePort(name: "dns", transport: .udp, port: 53), ServicePort(name: "dns-tcp", port: 53),
                ServicePort(name: "metrics", port: 9153),
            ])
        let ports = [
            EndpointPort(name: "dns", transport: .udp, port: 53), EndpointPort(name: "dns-tcp", port: 53),
            EndpointPort(name: "metrics", port: 9153),
        ]
        service.endpoints = [try endpoint("10.244.1.3", "a", ports), try endpoint("10.244.2.4", "b", ports)]
        #expect(try self.service("kube-system", "kube-dns") == service)
    }

    @Test func internalPolicyLocal() throws {
        var service = try expected(
            "shop", "agent", "10.96.210.46", created: "2026-11-23T21:32:30Z", [ServicePort(name: "", port: 9000)])
        service.internalTrafficPolicy = .local
        let ports = [EndpointPort(name: "", port: 9000)]
        service.endpoints = [try endpoint("192.0.2.10", "a", ports), try endpoint("192.0.2.11", "b", ports)]
        #expect(try self.service("shop", "agent") == service)
    }

    @Test func nodePortWithHints() throws {
        var service = try expected(
            "shop", "api", "10.96.116.198", created: "2026-11-23T21:32:30Z",
            [ServicePort(name: "grpc", port: 50051, nodePort: 30051)])
        service.externalIPs = [try address("203.0.113.7")]
        service.trafficDistribution = "PreferClose"
        let ports = [EndpointPort(name: "grpc", port: 50051)]
        service.endpoints = [
            try endpoint("10.244.1.20", "a", ports, hint: "zone-a"),
            try endpoint("10.244.2.20", "b", ports, hint: "zone-b"),
        ]
        #expect(try self.service("shop", "api") == service)
    }

    @Test func notReadyPublished() throws {
        var service = try expected(
            "shop", "early", "10.96.68.18", created: "2026-11-23T21:32:30Z",
            [ServicePort(name: "http", port: 80, target: .number(8080))])
        service.publishNotReadyAddresses = true
        service.endpoints = [
            try endpoint("10.244.2.50", "b", [EndpointPort(name: "http", port: 8080)], [.isReady, .isTerminating])
        ]
        #expect(try self.service("shop", "early") == service)
    }

    @Test func withoutEndpoints() throws {
        let ports = [ServicePort(name: "http", port: 80)]
        #expect(
            try service("shop", "empty")
                == expected("shop", "empty", "10.96.95.151", created: "2026-11-23T21:32:30Z", ports))
    }

    @Test func sctp() throws {
        var service = try expected(
            "shop", "sctp", "10.96.167.215", created: "2026-11-23T21:32:30Z",
            [ServicePort(name: "diameter", transport: .sctp, port: 3868)])
        service.endpoints = [
            try endpoint("10.244.2.40", "b", [EndpointPort(name: "diameter", transport: .sctp, port: 3868)])
        ]
        #expect(try self.service("shop", "sctp") == service)
    }

    @Test func dualStackWithNamedTarget() throws {
        var service = try expected(
            "shop", "web", "10.96.210.155", created: "2026-11-23T21:32:29Z",
            [
                ServicePort(name: "http", port: 80, target: .name("http")),
                ServicePort(name: "https", port: 443, target: .number(8443)),
            ])
        service.clusterIPs.append(try address("fd00:96::c:b76c"))
        let ports = [EndpointPort(name: "http", port: 8080), EndpointPort(name: "https", port: 8443)]
        let newer = [EndpointPort(name: "http", port: 9090), EndpointPort(name: "https", port: 8443)]
        service.endpoints = [
            try endpoint("10.244.1.2", "a", ports), try endpoint("10.244.2.2", "b", ports),
            try endpoint("10.244.2.3", "b", newer), try endpoint("fd00:244:1::2", "a", ports),
            try endpoint("fd00:244:2::2", "b", ports),
        ]
        #expect(try self.service("shop", "web") == service)
        #expect(service.endpoints[2].targetPort(for: service.ports[0]) == 9090)
    }
}
