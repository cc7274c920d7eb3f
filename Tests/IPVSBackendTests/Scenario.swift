import DataplaneConformance
import DataplaneTestKit
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Definitions that between them use every set, chain and kind of server.
struct Scenario: Sendable, CustomTestStringConvertible {
    var name: String
    var desired: Desired
    var testDescription: String { name }

    static let all: [Scenario] = {
        var plain = NodeFacts(nodeName: "node-a")
        plain.addresses = ["192.0.2.10", "198.51.100.4", "2001:db8::10"]
        var known = plain
        known.clusterCIDRs = ["10.244.0.0/16", "fd00:244::/32"].compactMap { CIDR($0) }
        known.serviceCIDRs = ["10.96.0.0/12", "fd00:96::/112"].compactMap { CIDR($0) }
        known.nodePortAddresses = ["192.0.2.0/24", "2001:db8::/61"].compactMap { CIDR($0) }
        var masquerading = plain
        masquerading.masqueradeAll = true
        masquerading.podInterfaces = [.bridge("cni0"), .prefix("veth")]
        return [
            Scenario(name: "nothing", desired: Desired(services: [])),
            Scenario(name: "every kind", desired: Desired(services: everything, node: plain)),
            Scenario(
                name: "lists and weights, and blocks are known",
                desired: Desired(services: listed, node: known, masqueradeBit: 31)),
            Scenario(
                name: "schedulers and affinity, and masquerade all",
                desired: Desired(services: scheduled, node: masquerading, masqueradeBit: 0)),
        ]
    }()

    /// Every service with lists of sources, and with weights, some of them 0.
    static let listed = everything.enumerated().map { index, service in
        var service = service
        service.allowedSources = ["192.0.2.0/24", "198.51.100.0/25", "2001:db8::/33"].compactMap { CIDR($0) }
        if index % 2 == 0 {
            service.deniedSources = ["192.0.2.7/32", "2001:db8::7/128", "0.0.0.0/0"].compactMap { CIDR($0) }
        }
        for place in service.endpoints.indices { service.endpoints[place].weight = UInt16((index + place) % 4) }
        return service
    }

    /// One service for each scheduler, method and flag, every other one with clients that are remembered.
    static let scheduled = Scheduler.allCases.enumerated().map { index, scheduler in
        Service.test(
            scheduler.rawValue.lowercased(), clusterIPs: [IPAddress(ipv4: 0x0a60_0100 + UInt32(index))],
            transport: TransportProtocol.allCases[index % 3], endpoints: ["10.244.1.2", "10.244.1.3", "10.244.2.2"]
        ) {
            $0.scheduler = scheduler
            $0.ports[0].target = .number(80)
            if index % 2 == 0 { $0.clientIPAffinitySeconds = [10800, 60, 86400][index % 3] }
            if [.sh, .mh].contains(scheduler) { $0.virtualServer.schedulerFlags = [.fallback, .port] }
            // The stock tool takes this for UDP alone.
            $0.virtualServer.isOnePacket = index % 3 == 1
            $0.virtualServer.forwardingMethod = ForwardingMethod.allCases[index % 4 % 3]
        }
    }

    /// A service of every kind of address.
    private static func everyKind(
        _ name: String, _ number: UInt32, _ transport: TransportProtocol, _ change: (inout Service) -> Void
    ) -> Service {
        let pods = (1...3).flatMap { number in IPFamily.allCases.map { Lab.podAddresses(number)[$0] } }
        return .test(
            "\(name)-\(transport)",
            clusterIPs: [
                IPAddress(ipv4: 0x0a60_000a + number << 8), IPAddress(ipv6: 0xfd00_0096_0000_0000, UInt64(number)),
            ],
            transport: transport, nodePort: UInt16(30080 + number), endpoints: pods
        ) {
            $0.externalIPs = [IPAddress(ipv4: 0xcb00_7140 + number)]
            $0.loadBalancerIPs = [
                IPAddress(ipv6: 0x2001_0db8_ffff_0000, UInt64(number)), IPAddress(ipv4: 0xcb00_7150 + number),
            ]
            change(&$0)
        }
    }

    static let everything: [Service] = TransportProtocol.allCases.flatMap { transport in
        [
            everyKind("cluster", 0, transport) { _ in },
            everyKind("local", 1, transport) {
                $0.loadBalancerSourceRanges = [
                    "198.51.100.0/24", "198.51.100.7/32", "192.0.2.5/32", "2001:db8::/33", "10.0.0.0/8", "fd00::1/128",
                ].compactMap { CIDR($0) }
                $0.externalTrafficPolicy = .local
                for index in $0.endpoints.indices where index % 3 == 0 { $0.endpoints[index].nodeName = "node-a" }
            },
            everyKind("elsewhere", 2, transport) {
                $0.externalTrafficPolicy = .local
                $0.internalTrafficPolicy = .local
                for index in $0.endpoints.indices { $0.endpoints[index].nodeName = "node-b" }
            },
            everyKind("empty", 3, transport) { $0.endpoints = [] },
        ]
    }
}
