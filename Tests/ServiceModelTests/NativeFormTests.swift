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
              "scheduler": "maglev",
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
