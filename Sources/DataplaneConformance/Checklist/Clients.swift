internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

extension ConformanceTest {
    /// Whose address servers see.
    static let clients: [ConformanceTest] = [
        ConformanceTest("the source address of a pod is kept through a cluster IP (semantics 18)") { trial in
            let service = Service.numbered(1, "web", endpoints: [Place.pod2.endpoints(), Place.remote1.endpoints()])
            for node in [NodeFacts.conformance(), .conformance(podsAreKnown: [.ipv4, .ipv6])] {
                try trial.apply([service], node: node)
                for address in service.clusterIPs {
                    for source in [trial.lab.pod, trial.lab.endpoint] {
                        let outcome = trial.probe(from: source, to: address)
                        trial.check(outcome.seenAs == source.addresses[address.family], "\(source.name): \(outcome)")
                    }
                }
                try trial.examine { $0.kind == .clusterIP }
            }
        },
        ConformanceTest("hairpin: an endpoint reaches itself, and direct calls are left alone (semantics 22)") {
            trial in
            let service = Service.numbered(1, "web", transports: [.tcp, .udp], endpoints: [Place.pod1.endpoints()])
            let node = NodeFacts.conformance(podsAreKnown: [.ipv4, .ipv6])
            for policy in TrafficPolicy.allCases {
                var service = service
                service.internalTrafficPolicy = policy
                service.externalTrafficPolicy = policy
                try trial.apply([service], node: node)
                for address in service.clusterIPs + service.externalIPs + service.loadBalancerIPs {
                    let outcome = trial.probe(from: trial.lab.endpoint, to: address)
                    trial.check(
                        outcome.seenAs == Lab.gatewayAddresses[address.family], "\(address) by itself: \(outcome)")
                }
                try trial.examine()
            }
            for family in IPFamily.allCases {
                for source in [trial.lab.client, trial.lab.pod, trial.lab.endpoint] {
                    let outcome = trial.probe(from: source, to: Place.pod1.addresses[family], port: 8080)
                    trial.check(outcome.seenAs == source.addresses[family], "\(source.name), directly: \(outcome)")
                }
            }
        },
        ConformanceTest("masqueraded connections get ports at random (semantics 24)") { trial in
            let service = Service.numbered(1, "web", endpoints: [Place.pod1.endpoints()])
            try trial.apply([service])
            for address in service.externalIPs {
                // One may be kept by chance, in one of 60,000 cases.
                let kept = (UInt16(20_000)..<20_004).filter { port in
                    let outcome = trial.probe(from: trial.lab.client, to: address, sourcePort: port)
                    trial.check(outcome.server != nil, "\(outcome)")
                    return outcome.seenPort == port
                }
                trial.check(kept.count < 2, "kept ports \(kept)")
            }
        },
    ]
}
