import NetAddress
import ServiceModel
import Testing

/// A Service with more members of its spec, and more of the object itself.
private func kubernetesService(
    _ name: String = "web", address: String = "10.96.0.10", spec: String = "", _ more: String = ""
) -> String {
    """
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\(name)"}, "spec": {"clusterIPs": ["\(address)"], \
    "ports": [{"port": 80}]\(spec)}\(more)}
    """
}

private func slice(
    _ service: String = "web", type: String = "IPv4", endpoints: String = "",
    ports: String = #"{"name": "", "port": 80}"#
) -> String {
    """
    {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "x", \
    "labels": {"kubernetes.io/service-name": "\(service)"}}, "addressType": "\(type)", \
    "ports": [\(ports)], "endpoints": [\(endpoints)]}
    """
}

@Suite struct KubernetesFindingsTests {
    @Test(arguments: [
        (#", "externalIPs": ["1.2.3"]"#, #"spec.externalIPs[0]: "1.2.3" is not an IP address"#),
        (#", "sessionAffinity": "Cookie""#, #"spec.sessionAffinity: expected "None" or "ClientIP", found "Cookie""#),
        (
            #", "healthCheckNodePort": 70000"#,
            "spec.healthCheckNodePort: the number 70000 is not a whole number from 0 to 65535"
        ),
        (#", "externalTrafficPolicy": {}"#, "spec.externalTrafficPolicy: expected a string, found an object"),
        (
            #", "loadBalancerSourceRanges": ["any"]"#,
            #"spec.loadBalancerSourceRanges[0]: "any" is not an address block such as 198.51.100.0/24"#
        ),
    ])
    func refusesSpec(members: String, complaint: String) throws {
        let found = complaints(kubernetesService(spec: members))
        #expect(found.count == 1)
        #expect(found.first?.hasSuffix(": error: " + complaint) == true, "\(found)")
    }

    @Test(arguments: [
        (#"{"addresses": ["10.1.1"]}"#, #"endpoints[0].addresses[0]: "10.1.1" is not an IP address"#),
        (
            #"{"addresses": ["fd00::1"]}"#,
            "endpoints[0].addresses[0]: fd00::1 is IPv6, but the slice's addressType is IPv4"
        ),
        (#"{"addresses": []}"#, "endpoints[0].addresses: an endpoint needs an address"),
        (#"{}"#, "endpoints[0]: an endpoint needs an address"),
        (
            #"{"addresses": ["10.1.1.1"], "nodeName": "a\"b"}"#,
            #"endpoints[0].nodeName: the node name "a\"b" is not a DNS name (a-z, 0-9, '-' and '.')"#
        ),
    ])
    func refusesEndpoint(endpoint: String, complaint: String) {
        let found = complaints(kubernetesService(), slice(endpoints: endpoint))
        #expect(found.count == 1)
        #expect(found.first?.hasSuffix(": error: " + complaint) == true, "\(found)")
    }

    @Test(arguments: [
        (#"{"kind": "Service"}"#, "a:1:1: error: the object needs metadata"),
        (#"{"kind": "Service", "metadata": {}}"#, "a:1:33: error: metadata: the object needs a name"),
        (#"{"kind": "Service", "metadata": {"name": "a"}}"#, "a:1:1: error: a Service needs a spec"),
        (#"{"apiVersion": "v1"}"#, "a:1:1: error: a Kubernetes object needs a kind"),
        (#"{"kind": "List", "items": [{}]}"#, "a:1:28: error: items[0]: a Kubernetes object needs a kind"),
        (
            #"{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1beta1"}"#,
            "a:1:41: error: apiVersion: discovery.k8s.io/v1beta1 has other fields; convert it to v1"
        ),
    ])
    func refusesObject(text: String, complaint: String) { #expect(complaints(text) == [complaint]) }

    @Test func refusesTheSameServiceTwice() {
        #expect(
            complaints(kubernetesService(), kubernetesService()) == [
                #"b:1:62: error: metadata.name: the service "default/web" is defined twice; see a:1:1"#
            ])
        #expect(complaints(kubernetesService(), document(service("web", address: "10.9.9.9"))).count == 1)
    }

    @Test func onlyWarnsOfClaims() throws {
        let definitions = try decode(kubernetesService("a"), kubernetesService("b"), document(service("c")))
        #expect(definitions.services.count == 3)
        #expect(
            definitions.warnings.map(\.description) == [
                "b:1:117: warning: spec.ports[0]: 10.96.0.10 TCP port 80 is claimed by the service \"default/a\" too; "
                    + "the older of the two keeps it; see a:1:1",
                "c:1:69: warning: services[0].ports[0]: 10.96.0.10 TCP port 80 is claimed by the service "
                    + "\"default/a\" too; the older of the two keeps it; see a:1:1",
            ])
    }

    @Test func warnsOfWhatItIgnores() throws {
        let definitions = try decode(
            #"{"kind": "Pod", "apiVersion": "v1"} {"kind": "Service", "apiVersion": "serving.knative.dev/v1"}"#,
            #"{"kind": "EndpointSlice", "metadata": {"name": "x"}}"#, slice("lost"),
            kubernetesService(spec: #", "trafficDistribution": "Sideways""#),
            document(service("n", address: "10.1.1.1")),
            slice("n"))
        #expect(
            definitions.warnings.map(\.description) == [
                #"a:1:10: warning: kind: "Pod" of "v1" is neither a Service nor an EndpointSlice nor a Node; ignored"#,
                #"a:1:46: warning: kind: "Service" of "serving.knative.dev/v1" is neither a Service nor an EndpointSlice "#
                    + "nor a Node; ignored",
                #"b:1:39: warning: metadata: the slice has no label "kubernetes.io/service-name"; ignored"#,
                #"c:1:131: warning: metadata.labels["kubernetes.io/service-name"]: there is no service "default/lost"; "#
                    + "the slice is ignored",
                #"d:1:157: warning: spec.trafficDistribution: the traffic distribution "Sideways" is not known; ignored"#,
                #"f:1:131: warning: metadata.labels["kubernetes.io/service-name"]: the service "default/n" has a native "#
                    + "definition; the slice is ignored",
            ])
    }

    @Test func ignoresWhatIsNotAnAddress() throws {
        let status = """
            , "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}, {"ip": "192.0.2.1", \
            "ipMode": "Proxy"}, {"ip": "192.0.2.2"}, {"ip": "192.0.2.3", "ipMode": "VIP"}]}}
            """
        let spec = #", "loadBalancerIP": "192.0.2.9", "type": "LoadBalancer", "unknown": {"a": [1]}"#
        let definitions = try decode(kubernetesService(spec: spec, status))
        #expect(definitions.services.first?.loadBalancerIPs.map(\.description) == ["192.0.2.2", "192.0.2.3"])
        #expect(definitions.warnings.isEmpty)
    }

    @Test func readsTypedListsAndAnyOrder() throws {
        let definitions = try decode(
            """
            {"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "items": [{"metadata": {"name": "s",
            "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4", "ports": [{"name": "", "port": 80},
            {"port": 81}, {"name": "x"}, {"name": "y", "port": 0}, {"name": null, "port": 5}],
            "endpoints": [{"addresses": ["10.1.1.2", "10.1.1.3"], "conditions": {}, "zone": ""},
            {"addresses": ["10.1.1.1"], "conditions": {"ready": null, "serving": false}}]}]}
            {"kind": "ServiceList", "apiVersion": "v1", "items": [{"metadata": {"name": "web", "namespace": "default"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 80, "targetPort": 0, "nodePort": 0}]}}]}
            """)
        let service = try #require(definitions.services.first)
        #expect(service.ports == [ServicePort(name: "", port: 80)])
        #expect(definitions.warnings.map(\.place.path) == ["items[0].ports[1]", "items[0].ports[4]"])
        #expect(service.endpoints.map(\.address.description) == ["10.1.1.1", "10.1.1.2"])
        #expect(service.endpoints.map(\.conditions) == [[.isReady], .ready])
        #expect(service.endpoints.allSatisfy { $0.ports == [EndpointPort(name: "", port: 80)] && $0.zone == nil })
    }

    @Test func readsMixedLists() throws {
        let list = #"{"kind": "List", "items": [\#(kubernetesService("b")), {"kind": "List", "items": null}]}"#
        let array = "[\(document(service("a", address: "10.0.0.1"))), \(list)]\n\(slice("b"))"
        let definitions = try decode(array, "- kind: List\n  items: []\n- services: []")
        #expect(definitions.services.map(\.name.name) == ["a", "b"])
        #expect(definitions.services.map(\.isFromKubernetes) == [false, true])
        #expect(definitions.warnings.isEmpty)
    }

    /// A name that is wrong hides nothing of the rest, nor does a service what is wrong with its slices.
    @Test func saysEverythingAtOnce() {
        let named = kubernetesService("Web", spec: #", "externalIPs": ["x"], "healthCheckNodePort": -1"#)
        #expect(complaints(named).count == 3, "\(complaints(named))")
        let headless = named.replacing(#"["10.96.0.10"]"#, with: #"["None"]"#)
        #expect(complaints(headless).count == 1, "\(complaints(headless))")
        let both = complaints(
            kubernetesService(spec: #", "externalIPs": ["x"]"#), slice(endpoints: #"{"addresses": ["y"]}"#))
        #expect(both.count == 2, "\(both)")
        let metadata = #"{"kind": "Service", "metadata": {"name": "A", "namespace": "B", "creationTimestamp": "c"}}"#
        #expect(complaints(metadata).count == 3, "\(complaints(metadata))")
    }

    @Test func ignoresNameSlices() throws {
        let names = slice(type: "FQDN", endpoints: #"{"addresses": ["a.example.com"]}"#)
        #expect(try decode(kubernetesService(), names).services.first?.endpoints.isEmpty == true)
    }

    @Test func saysNothingOfSlicesWhenAServiceMayBeMissing() {
        #expect(complaints("{", slice()) == complaints("{"))
    }

    // MARK: - Merging slices

    /// Each endpoint as `address:port,… conditions`.
    private func merged(_ slices: [String]) throws -> [String] {
        let list = #"{"kind": "List", "items": [\#(([kubernetesService()] + slices).joined(separator: ", "))]}"#
        return try #require(try decode(list).services.first).endpoints.map { endpoint in
            let ports = endpoint.ports.map { "\($0.name)\($0.transport == .udp ? "/udp" : "")=\($0.port)" }
            return "\(endpoint.address) \(ports.joined(separator: " ")) \(endpoint.conditions.rawValue)"
        }
    }

    @Test(arguments: [
        // The same endpoint in two slices counts once.
        (["10.1.1.1 a=1 3", "10.1.1.1 a=1 3"], ["10.1.1.1 a=1 3"]),
        // Other ports of the same endpoint join it.
        (["10.1.1.1 a=1 3", "10.1.1.1 b=2 3"], ["10.1.1.1 a=1 b=2 3"]),
        // The better state stays.
        (["10.1.1.1 a=1 6", "10.1.1.1 a=1 3"], ["10.1.1.1 a=1 3"]),
        (["10.1.1.1 a=1 6", "10.1.1.1 a=1 2"], ["10.1.1.1 a=1 2"]),
        // States of different ports stay apart.
        (["10.1.1.1 a=1 3", "10.1.1.1 b=2 2"], ["10.1.1.1 a=1 3", "10.1.1.1 b=2 2"]),
        // One service port on two port numbers is two endpoints.
        (["10.1.1.1 a=1 3", "10.1.1.1 a=2 3"], ["10.1.1.1 a=1 3", "10.1.1.1 a=2 3"]),
        (["10.1.1.2 a=1 3", "10.1.1.1 a=1 3"], ["10.1.1.1 a=1 3", "10.1.1.2 a=1 3"]),
    ])
    func mergesSlices(slices: [String], expected: [String]) throws {
        let texts = slices.map { line in
            let parts = line.split(separator: " ")
            let port = parts[1].split(separator: "=")
            let state = EndpointConditions(rawValue: UInt8(parts[2]) ?? 0)
            let conditions = """
                {"ready": \(state.contains(.isReady)), "serving": \(state.contains(.isServing)), \
                "terminating": \(state.contains(.isTerminating))}
                """
            return slice(
                endpoints: #"{"addresses": ["\#(parts[0])"], "conditions": \#(conditions)}"#,
                ports: #"{"name": "\#(port[0])", "port": \#(port[1])}"#)
        }
        #expect(try merged(texts) == expected)
        #expect(try merged(texts.reversed()) == expected)
    }
}
