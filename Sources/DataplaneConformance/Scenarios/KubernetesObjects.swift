internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel

/// What only Kubernetes' objects can say: services that are not ours, load balancers that are no addresses, slices.
enum KubernetesObjects {
    private static func service(
        _ name: String, _ clusterIP: String, ports: String, spec: String = "", labels: String = "", status: String = "",
        created: String = "2026-01-01T00:00:00Z"
    ) -> String {
        """
        {"apiVersion": "v1", "kind": "Service",
         "metadata": {"namespace": "shop", "name": "\(name)", "creationTimestamp": "\(created)", "labels": {\(labels)}},
         "spec": {"type": "LoadBalancer", "clusterIP": "\(clusterIP)", "ports": [\(ports)]\(spec)},
         "status": {"loadBalancer": {"ingress": [\(status)]}}}
        """
    }

    private static func slice(_ name: String, of service: String, ports: String, endpoints: [String]) -> String {
        """
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
         "metadata": {"namespace": "shop", "name": "\(name)", "labels": {"kubernetes.io/service-name": "\(service)"}},
         "ports": [\(ports)], "endpoints": [\(endpoints.joined(separator: ", "))]}
        """
    }

    private static func endpoint(_ place: Place, _ more: String = "") -> String {
        #"{"addresses": ["\#(place.addresses.ipv4)"], "nodeName": "\#(place.nodeName)"\#(more)}"#
    }

    private static let web = #"{"name": "web", "port": 80, "targetPort": 8080}"#
    private static let webPort = #"{"name": "web", "port": 8080}"#

    static func decode(_ objects: [String]) throws -> Definitions {
        let text = #"{"apiVersion": "v1", "kind": "List", "items": [\#(objects.joined(separator: ",\n"))]}"#
        return try Definitions(decoding: [DefinitionInput(name: "objects.json", bytes: Array(text.utf8))])
    }

    /// Semantics 1: headless, an alias, and another proxy's, each with an endpoint that would answer.
    static let foreign: [String] = {
        let names = ["headless", "alias", "meshed"]
        let slices = names.map { slice("\($0)-1", of: $0, ports: webPort, endpoints: [endpoint(.pod1)]) }
        return [
            service("headless", "None", ports: web, spec: #", "externalIPs": ["198.18.9.1"]"#),
            """
            {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "alias"},
             "spec": {"type": "ExternalName", "externalName": "example.org", "externalIPs": ["198.18.9.2"]}}
            """,
            service(
                "meshed", "10.96.9.3", ports: web, spec: #", "externalIPs": ["198.18.9.3"]"#,
                labels: #""service.kubernetes.io/service-proxy-name": "mesh""#, status: #"{"ip": "198.19.9.3"}"#),
        ] + slices
    }()

    /// Semantics 3, and white space in source ranges (4).
    static let balanced = [
        service(
            "balanced", "10.96.9.10", ports: web,
            spec: #", "loadBalancerSourceRanges": [" 192.0.2.0/24 ", "10.244.0.0/16"]"#,
            status: """
                {"ip": "198.19.9.1"}, {"ip": "198.19.9.2", "ipMode": "Proxy"}, {"hostname": "lb.example.org"},
                {"ip": "198.19.9.3", "ipMode": "VIP"}
                """),
        slice("balanced-1", of: "balanced", ports: webPort, endpoints: [endpoint(.pod1), endpoint(.remote1)]),
    ]

    /// Named target ports that differ, several ports, and one port under two protocols.
    static let named = [
        service(
            "named", "10.96.9.20",
            ports: """
                {"name": "web", "port": 80, "targetPort": "http"},
                {"name": "admin", "port": 81, "targetPort": "admin", "nodePort": 30900},
                {"name": "dns", "port": 53, "targetPort": 9090, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "targetPort": 9090}
                """),
        slice(
            "named-old", of: "named",
            ports: """
                {"name": "web", "port": 8080}, {"name": "admin", "port": 9090},
                {"name": "dns", "port": 9090, "protocol": "UDP"}, {"name": "dns-tcp", "port": 9090}
                """,
            endpoints: [endpoint(.pod1), endpoint(.remote1)]),
        // A newer version of the pods listens elsewhere, and has no admin port yet.
        slice(
            "named-new", of: "named",
            ports: #"{"name": "web", "port": 9090}, {"name": "dns-tcp", "port": 8080}"#,
            endpoints: [endpoint(.pod2)]),
        // What is not a port, and a name that the service does not have (10).
        slice(
            "named-odd", of: "named", ports: #"{"port": 8080}, {"name": "web"}, {"name": "other", "port": 9090}"#,
            endpoints: [endpoint(.remote2)]),
    ]

    /// Semantics 16: while slices are rebalanced, pod1 stands in three of them, once in an older state.
    static let repeated = [
        service("repeated", "10.96.9.30", ports: web),
        slice("repeated-1", of: "repeated", ports: webPort, endpoints: [endpoint(.pod1), endpoint(.pod2)]),
        slice("repeated-2", of: "repeated", ports: webPort, endpoints: [endpoint(.pod1)]),
        slice(
            "repeated-3", of: "repeated", ports: webPort,
            endpoints: [endpoint(.pod1, #", "conditions": {"ready": false}"#)]),
    ]

    /// Semantics 10: conditions that nobody stated.
    static let unstated = [
        service("unstated", "10.96.9.40", ports: web),
        slice(
            "unstated-1", of: "unstated", ports: webPort,
            endpoints: [
                endpoint(.pod1, #", "conditions": {}"#), endpoint(.pod2, #", "conditions": {"ready": null}"#),
                endpoint(.remote1, #", "conditions": {"ready": false}"#),
            ]),
        // Slices with names instead of addresses count for nothing (2).
        """
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "FQDN",
         "metadata": {"namespace": "shop", "name": "names", "labels": {"kubernetes.io/service-name": "unstated"}},
         "ports": [{"name": "web", "port": 8080}], "endpoints": [{"addresses": ["example.org"]}]}
        """,
    ]

    /// Semantics 8: three services want the same external IP; the oldest gets it, whatever their order.
    static let claims: [String] = {
        let times = [
            "b-young": "2026-03-01T00:00:00Z", "c-old": "2026-01-01T00:00:00Z", "a-younger": "2026-04-01T00:00:00Z",
        ]
        let places = ["b-young": Place.pod1, "c-old": .pod2, "a-younger": .remote1]
        return times.keys.sorted().enumerated().flatMap { number, name in
            [
                service(
                    name, "10.96.9.\(50 + number)", ports: web, spec: #", "externalIPs": ["198.18.9.50"]"#,
                    created: times[name] ?? ""),
                slice("\(name)-1", of: name, ports: webPort, endpoints: [endpoint(places[name] ?? .pod1)]),
            ]
        }
    }()
}

extension ConformanceTest {
    static let kubernetesObjects: [ConformanceTest] = [
        ConformanceTest("headless services are skipped, and service-proxy-name is honoured (semantics 1)") { trial in
            let definitions = try KubernetesObjects.decode(KubernetesObjects.foreign + KubernetesObjects.named)
            trial.check(definitions.skipped.count == 3, "skipped: \(definitions.skipped)")
            try trial.apply(definitions.services)
            let addresses = ["198.18.9.1", "198.18.9.2", "198.18.9.3", "10.96.9.3", "198.19.9.3"]
            try trial.expectSilence(addresses.map { IPAddress(known: $0) }, "a service that is not ours")
            try trial.examine()
        },
        ConformanceTest("a load balancer's own ways are left to it (semantics 3), and ranges are trimmed (4)") {
            trial in
            let definitions = try KubernetesObjects.decode(KubernetesObjects.balanced)
            try trial.apply(definitions.services)
            let addresses = trial.state.services.flatMap(\.loadBalancerIPs).map(\.description)
            trial.check(addresses == ["198.19.9.1", "198.19.9.3"], "load-balancer addresses \(addresses)")
            try trial.examine()
            try trial.expectSilence([IPAddress(known: "198.19.9.2")], "an address that is a proxy's (ipMode)")
        },
        ConformanceTest("named target ports differ per endpoint, and ports may repeat (semantics 10 and 16)") {
            try $0.apply(try KubernetesObjects.decode(KubernetesObjects.named).services)
            try $0.examine()
        },
        ConformanceTest("an endpoint in several slices has one share (semantics 16)") { trial in
            try trial.apply(try KubernetesObjects.decode(KubernetesObjects.repeated).services)
            try trial.examine()
            // 300 of 600 are expected, and 5 standard deviations are 61; with a double share it would be 400.
            let share = try trial.share(
                of: "pod1:8080", in: 600, from: trial.lab.client, to: IPAddress(known: "10.96.9.30"))
            trial.check((239...361).contains(share), "pod1 got \(share) of 600")
        },
        ConformanceTest("conditions that nobody stated have their defaults (semantics 10)") {
            try $0.apply(try KubernetesObjects.decode(KubernetesObjects.unstated).services)
            try $0.examine()
        },
        ConformanceTest("of services that claim one address the oldest gets it, always (semantics 8)") { trial in
            for objects in [KubernetesObjects.claims, KubernetesObjects.claims.reversed()] {
                try trial.system.removeAll(in: trial.lab.node)
                let services = try KubernetesObjects.decode(objects).services
                for services in [services, services.reversed()] {
                    try trial.apply(services)
                    try trial.examine { $0.kind != .nodePort }
                }
            }
        },
    ]
}
