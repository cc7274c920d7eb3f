import NetAddress
import ServiceModel
import Testing

@Suite struct NativeFormTests {
    @Test func readsEveryField() throws {
        let definitions = try decode(
            #"""
            {"services": [{
              "name": "shop/web",
              "clusterIPs": ["10.96.0.10", "fd00:96::10"],
              "externalIPs": ["203.0.113.7"],
              "loadBalancerIPs": ["203.0.113.8"],
              "loadBalancerSourceRanges": [" 198.51.100.0/24 "],
              "allow": ["10.0.0.0/8", " fd00::/8 "],
              "deny": ["10.9.0.1/16"],
              "maxConnections": {"perService": 1000, "perSource": 20},
              "newConnectionsPerSecond": {"perSource": 50, "burst": 100},
              "ports": [
                {"name": "http", "protocol": "TCP", "port": 80, "targetPort": "web", "nodePort": 30080},
                {"name": "dns", "protocol": "UDP", "port": 53}
              ],
              "sessionAffinity": {"clientIP": {"timeoutSeconds": 600}},
              "internalTrafficPolicy": "Local",
              "externalTrafficPolicy": "Local",
              "healthCheckNodePort": 32000,
              "publishNotReadyAddresses": true,
              "trafficDistribution": "PreferSameZone",
              "scheduler": "maglev", "schedulerFlags": ["port", "fallback"], "forwardingMethod": "tunnel",
              "endpoints": [
                {"address": "10.244.1.5", "ports": {"web": 8080}, "nodeName": "node-a.example.org", "zone": "z1",
                 "weight": 2, "hints": {"forZones": [{"name": "z1"}], "forNodes": [{"name": "node-a"}]}},
                {"address": "fd00:244::7", "ports": {"http": 9090, "dns": 5353},
                 "conditions": {"ready": false, "serving": true, "terminating": true}}
              ]
            }]}
            """#)
        var expected = Service(name: ServiceName(namespace: "shop", name: "web"))
        expected.clusterIPs = [try address("10.96.0.10"), try address("fd00:96::10")]
        expected.externalIPs = [try address("203.0.113.7")]
        expected.loadBalancerIPs = [try address("203.0.113.8")]
        expected.loadBalancerSourceRanges = [try #require(CIDR("198.51.100.0/24"))]
        expected.allowedSources = [try #require(CIDR("10.0.0.0/8")), try #require(CIDR("fd00::/8"))]
        expected.deniedSources = [try #require(CIDR("10.9.0.0/16"))]
        expected.maxConnections = 1000
        expected.maxConnectionsPerSource = 20
        expected.newConnectionsPerSecond = RateLimit(perSecond: 50, burst: 100)
        expected.ports = [
            ServicePort(name: "http", port: 80, target: .name("web"), nodePort: 30080),
            ServicePort(name: "dns", transport: .udp, port: 53),
        ]
        expected.clientIPAffinitySeconds = 600
        expected.internalTrafficPolicy = .local
        expected.externalTrafficPolicy = .local
        expected.healthCheckNodePort = 32000
        expected.publishNotReadyAddresses = true
        expected.trafficDistribution = "PreferSameZone"
        expected.scheduler = .maglev
        expected.virtualServer = VirtualServerSettings(
            schedulerFlags: [.fallback, .port], forwardingMethod: .tunnel)
        var first = Endpoint(address: try address("10.244.1.5"))
        first.ports = [EndpointPort(name: "http", port: 8080)]
        first.nodeName = "node-a.example.org"
        first.zone = "z1"
        first.weight = 2
        first.zoneHints = ["z1"]
        first.nodeHints = ["node-a"]
        var second = Endpoint(address: try address("fd00:244::7"))
        second.ports = [EndpointPort(name: "http", port: 9090), EndpointPort(name: "dns", transport: .udp, port: 5353)]
        second.conditions = [.isServing, .isTerminating]
        expected.endpoints = [first, second]
        #expect(definitions == Definitions(services: [expected]))
    }

    @Test func fillsInDefaults() throws {
        let definitions = try decode(document(service("web", with: #", "endpoints": [{"address": "10.244.1.5"}]"#)))
        var expected = Service(name: ServiceName(namespace: "default", name: "web"))
        expected.clusterIPs = [try address("10.96.0.10")]
        expected.ports = [ServicePort(name: "", transport: .tcp, port: 80, target: .number(80))]
        expected.endpoints = [Endpoint(address: try address("10.244.1.5"))]
        #expect(definitions == Definitions(services: [expected]))
    }

    @Test(
        arguments: [
            (#""None""#, nil), (#""ClientIP""#, 10800), ("{}", nil), (#"{"clientIP": {}}"#, 10800), ("null", nil),
            (#"{"clientIP": null}"#, nil), (#"{"clientIP": {"timeoutSeconds": 86400}}"#, 86400),
        ] as [(String, UInt32?)])
    func readsAffinity(text: String, seconds: UInt32?) throws {
        let definitions = try decode(document(service(with: #", "sessionAffinity": \#(text)"#)))
        #expect(definitions.services.first?.clientIPAffinitySeconds == seconds)
    }

    @Test(
        arguments: [
            ("16777215", 16_777_215, nil), (#"{"perService": 1}"#, 1, nil),
            (#"{"perSource": 16777215}"#, nil, 16_777_215),
            (#"{"perSource": 2, "perService": 3}"#, 3, 2), (#"{"perSource": null, "perService": 3}"#, 3, nil),
            ("null", nil, nil),
        ] as [(String, UInt32?, UInt32?)])
    func readsMaxConnections(text: String, perService: UInt32?, perSource: UInt32?) throws {
        let definitions = try decode(document(service(with: #", "maxConnections": \#(text)"#)))
        #expect(definitions.services.first?.maxConnections == perService)
        #expect(definitions.services.first?.maxConnectionsPerSource == perSource)
    }

    @Test(
        arguments: [
            ("1", RateLimit(perSecond: 1, burst: 5)), ("1000000", RateLimit(perSecond: 1_000_000, burst: 1_000_000)),
            (#"{"perSource": 7}"#, RateLimit(perSecond: 7, burst: 7)),
            (#"{"burst": 1, "perSource": 7}"#, RateLimit(perSecond: 7, burst: 1)),
            (#"{"perSource": 2, "burst": null}"#, RateLimit(perSecond: 2, burst: 5)), ("null", nil),
        ] as [(String, RateLimit?)])
    func readsNewConnectionsPerSecond(text: String, limit: RateLimit?) throws {
        let definitions = try decode(document(service(with: #", "newConnectionsPerSecond": \#(text)"#)))
        #expect(definitions.services.first?.newConnectionsPerSecond == limit)
    }

    /// An empty list restricts nobody, as in Kubernetes; denying a whole family is legal, but worth a word.
    @Test func readsSources() throws {
        let open = try decode(document(service(with: #", "allow": [], "deny": []"#)))
        #expect(open.services.first?.allowedSources == [])
        #expect(open.services.first?.deniedSources == [])
        #expect(open.warnings.isEmpty)
        let closed = try decode(document(service(with: #", "allow": ["0.0.0.0/0"], "deny": ["10.0.0.0/8", "::/0"]"#)))
        #expect(closed.services.first?.deniedSources.count == 2)
        #expect(
            closed.warnings.map(\.description) == [
                "a:1:138: warning: services[0].deny[1]: ::/0 denies every IPv6 client: "
                    + "nobody can use the service by IPv6"
            ])
    }

    @Test func needsNoClusterIPWithANodePort() throws {
        let text = document(#"{"name": "a", "ports": [{"port": 80, "nodePort": 30080}]}"#)
        #expect(try decode(text).services.first?.ports.first?.nodePort == 30080)
    }

    @Test func sortsServicesAndKeepsEndpointsInOrder() throws {
        let endpoints = #", "endpoints": [{"address": "10.244.1.9"}, {"address": "10.244.1.1"}]"#
        let definitions = try decode(
            document(service("b/a", address: "10.0.0.1", with: endpoints), service("a/b", address: "10.0.0.2")),
            document(service("a/a", address: "10.0.0.3")))
        #expect(definitions.services.map(\.name.description) == ["a/a", "a/b", "b/a"])
        #expect(definitions.services.last?.endpoints.map(\.address.description) == ["10.244.1.9", "10.244.1.1"])
    }

    @Test func sameAddressOnOtherPortsIsAnotherEndpoint() throws {
        let endpoints = #", "endpoints": [{"address": "10.1.1.1", "ports": {"": 81}}, {"address": "10.1.1.1"}]"#
        #expect(try decode(document(service(with: endpoints))).services.first?.endpoints.count == 2)
    }
}
