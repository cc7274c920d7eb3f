internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

extension ConformanceTest {
    /// Ways that packets take besides the usual one.
    static let paths: [ConformanceTest] = [
        ConformanceTest("an endpoint in the host network is reached by everybody, itself too (semantics 25)") { trial in
            let service = Service.numbered(1, "web", transports: [.tcp, .udp]) { service in
                service.endpoints = IPFamily.allCases.map { family in
                    var endpoint = Endpoint(address: Lab.nodeAddresses[family])
                    endpoint.nodeName = "node-a"
                    return endpoint
                }
            }
            let servers = try IPFamily.allCases.flatMap { family in
                try [TransportProtocol.tcp, .udp].map { transport in
                    try EchoServer(
                        in: trial.lab.node, address: Lab.nodeAddresses[family], port: 8080, transport: transport,
                        name: "host")
                }
            }
            defer { for server in servers { server.stop() } }
            for policy in TrafficPolicy.allCases {
                var service = service
                service.internalTrafficPolicy = policy
                service.externalTrafficPolicy = policy
                try trial.apply([service])
                let nodeAddresses = [Lab.nodeAddresses.ipv4, Lab.nodeAddresses.ipv6]
                for destination in Destination.all(of: [service], nodePortsAt: nodeAddresses) {
                    for source in trial.sources {
                        let outcome = trial.probe(
                            from: source, to: destination.address, port: destination.port,
                            transport: destination.transport)
                        trial.check(outcome.server == "host", "\(destination) from \(source.name): \(outcome)")
                    }
                }
            }
        },
        ConformanceTest("an endpoint's own refusal reaches its client (semantics 33)") { trial in
            // Nothing listens on the target port.
            let service = Service.numbered(
                1, "web", transports: [.tcp, .udp], endpoints: [Place.pod2.endpoints(), Place.remote1.endpoints()]
            ) { service in
                for index in service.ports.indices { service.ports[index].target = .number(7070) }
            }
            try trial.apply([service], node: .conformance(podsAreKnown: [.ipv4, .ipv6]))
            for address in service.clusterIPs + service.externalIPs {
                for transport in [TransportProtocol.tcp, .udp] {
                    try trial.expect(.refused, at: address, transport: transport, "\(address), where nobody listens")
                }
            }
        },
        ConformanceTest("what no service has of the service blocks leads nowhere (semantics 31)") { trial in
            let service = Service.numbered(1, "web", endpoints: [Place.pod1.endpoints()])
            // Where the default route leads, something would answer.
            let unallocated = ["10.96.7.7", "fd00:96::7:7"].map { IPAddress(known: $0) }
            for address in unallocated {
                try trial.lab.client.namespace.add(
                    [InterfaceAddress(address, prefixLength: address.family.addressBits)], to: "lo")
            }
            let servers = try unallocated.map {
                try EchoServer(in: trial.lab.client.namespace, address: $0, port: 80, name: "outside")
            }
            defer { for server in servers { server.stop() } }
            var node = NodeFacts.conformance()
            for (blocks, isOpen) in [([], true), (["10.96.0.0/16", "fd00:96::/64"], false)] as [([String], Bool)] {
                node.serviceCIDRs = blocks.compactMap { CIDR($0) }
                try trial.apply([service], node: node)
                let found = try trial.outcomes(
                    from: [trial.lab.nodeItself, trial.lab.pod, trial.lab.remotePod], to: unallocated,
                    patience: isOpen ? .seconds(5) : .milliseconds(300))
                for (source, address, outcome) in found {
                    trial.check(
                        outcome.server == (isOpen ? "outside" : nil), "\(address) from \(source.name): \(outcome)")
                }
                try trial.examine()
            }
        },
    ]
}
