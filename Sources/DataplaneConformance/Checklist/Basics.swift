internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

// The acceptance checklist of the semantics, section 10, line by line: every test has a line's words as its name. Each
// looks at both families. Lines that stand elsewhere: hints and same-node preference in `Scenarios/Topology.swift`,
// source ranges in `Scenarios/SourceRanges.swift`.

extension ConformanceTest {
    private static let everywhere = [Place.pod1.endpoints(), Place.pod2.endpoints(), Place.remote1.endpoints()]

    private static func port(_ number: UInt16, to target: UInt16, _ transport: TransportProtocol = .tcp) -> ServicePort
    {
        ServicePort(
            name: "p\(number)-\(transport)", transport: transport, port: number, target: .number(target),
            nodePort: 31_000 + number)
    }

    /// Serving, ports and addresses.
    static let basics: [ConformanceTest] = [
        ConformanceTest("a basic service serves") {
            try $0.apply([.numbered(1, "web", endpoints: everywhere)])
            try $0.examine { $0.kind == .clusterIP }
        },
        ConformanceTest("a multi-port service serves") {
            try $0.apply(
                [.numbered(1, "web", endpoints: everywhere) { $0.ports = [port(80, to: 8080), port(443, to: 9090)] }])
            try $0.examine()
        },
        ConformanceTest("ports added and removed") { trial in
            let service = Service.numbered(1, "web", endpoints: everywhere)
            for ports in [[80], [80, 443], [443]] as [[UInt16]] {
                var service = service
                service.ports = ports.map { port($0, to: $0 == 80 ? 8080 : 9090) }
                try trial.apply([service])
                try trial.examine()
            }
            for address in service.clusterIPs { try trial.expect(.refused, at: address, "a removed port") }
            let others = service.externalIPs + service.loadBalancerIPs
            if trial.system.abilities.addressesAreLocal {
                for address in others { try trial.expect(.refused, at: address, "a removed port") }
            } else {
                try trial.expectSilence(others, "a removed port")
            }
            for family in IPFamily.allCases {
                try trial.expect(.refused, at: Lab.nodeAddresses[family], port: 31_080, "a removed node port")
            }
        },
        ConformanceTest("a node port serves") {
            try $0.apply([.numbered(1, "web", endpoints: everywhere)])
            try $0.examine { $0.kind == .nodePort }
        },
        ConformanceTest("an external IP that is not on any node serves") {
            try $0.apply([.numbered(1, "web", endpoints: everywhere)])
            try $0.examine { $0.kind == .externalIP }
        },
        ConformanceTest("the same port number under two protocols") {
            try $0.apply(
                [
                    .numbered(1, "dns", endpoints: everywhere) {
                        $0.ports = [port(53, to: 8080), port(53, to: 9090, .udp)]
                    }
                ])
            try $0.examine()
        },
        ConformanceTest("no endpoints means refused (semantics 26 and 29)") { trial in
            let service = Service.numbered(1, "web", transports: [.tcp, .udp])
            try trial.apply([service])
            try trial.examine()
            try trial.expect(.refused, at: service.clusterIPs[0], "a service without endpoints")
        },
        ConformanceTest(
            "nothing serves an address of the node's own: refused on the way in and out (semantics 30)",
            for: { !$0.addressesAreLocal }
        ) { trial in
            let service = Service.numbered(1, "web", transports: [.tcp, .udp]) {
                $0.externalIPs += [Lab.nodeAddresses.ipv4, Lab.nodeAddresses.ipv6]
            }
            try trial.apply([service])
            for address in service.externalIPs {
                for source in trial.sources {
                    for transport in [TransportProtocol.tcp, .udp] {
                        let outcome = trial.probe(from: source, to: address, port: 80, transport: transport)
                        // A process of the node may hear instead that its datagram was not let out.
                        trial.check(
                            outcome.server == nil && outcome != .timedOut,
                            "\(address) \(transport) from \(source.name): \(outcome)")
                    }
                }
            }
        },
        ConformanceTest("each family is a world of its own (semantics 2)") { trial in
            // Endpoints of both families, addresses of one; and addresses of both, endpoints of one.
            let ipv6 = Service.numbered(1, "ipv6", endpoints: everywhere) { service in
                service.clusterIPs.removeAll { $0.family == .ipv4 }
                service.externalIPs.removeAll { $0.family == .ipv4 }
                service.loadBalancerIPs.removeAll { $0.family == .ipv4 }
            }
            let half = Service.numbered(2, "half", endpoints: everywhere) { service in
                service.endpoints.removeAll { $0.address.family == .ipv6 }
            }
            try trial.apply([ipv6, half])
            try trial.examine()
            try trial.expectSilence([Service.numbered(1, "").clusterIPs[0]], "an address that the service lacks")
        },
        ConformanceTest("a host's own ports are not behind a service's addresses (semantics 32)") { trial in
            let service = Service.numbered(1, "web", endpoints: everywhere)
            try trial.apply([service])
            let servers = try IPFamily.allCases.map { family in
                let any = family == .ipv4 ? IPAddress(ipv4: 0) : IPAddress(ipv6: 0, 0)
                return try EchoServer(in: trial.lab.node, address: any, port: 2222, name: "host")
            }
            defer { for server in servers { server.stop() } }
            let found = try trial.outcomes(
                from: trial.sources, to: service.clusterIPs + service.externalIPs + service.loadBalancerIPs,
                port: 2222, patience: .milliseconds(300))
            for (source, address, outcome) in found {
                trial.check(outcome.server == nil, "\(address) port 2222 from \(source.name): \(outcome)")
            }
            for family in IPFamily.allCases {
                let outcome = trial.probe(from: trial.lab.client, to: Lab.nodeAddresses[family], port: 2222)
                trial.check(outcome.server == "host", "the host's own port: \(outcome)")
            }
        },
    ]
}
