import DataplaneConformance
import DataplaneTestKit
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Definitions that between them use every chain and rule of the layout.
struct Scenario: Sendable, CustomTestStringConvertible {
    var name: String
    var desired: Desired
    var testDescription: String { name }

    static let all: [Scenario] = {
        let blocks = ["10.244.0.0/16", "10.250.0.0/20", "fd00:244::/32", "fd00:250::/50"].compactMap { CIDR($0) }
        let nodePortBlocks = ["192.0.2.0/24", "192.0.2.7/32", "2001:db8::/61"].compactMap { CIDR($0) }
        var everywhere = NodeFacts(nodeName: "node-a", clusterCIDRs: ["0.0.0.0/0", "::/0"].compactMap { CIDR($0) })
        everywhere.serviceCIDRs = ["10.96.0.0/12", "fd00:96::/112"].compactMap { CIDR($0) }
        return [
            Scenario(name: "nothing", desired: Desired(services: [])),
            Scenario(name: "every kind", desired: Desired(services: everything)),
            Scenario(
                name: "cluster CIDRs and node-port blocks",
                desired: Desired(
                    services: everything,
                    node: NodeFacts(nodeName: "node-a", clusterCIDRs: blocks, nodePortAddresses: nodePortBlocks),
                    masqueradeBit: 31)),
            Scenario(
                name: "all addresses are pods, and service blocks are known",
                desired: Desired(services: everything, node: everywhere)),
            Scenario(
                name: "masquerade all, node ports nowhere in IPv6",
                desired: Desired(
                    services: everything,
                    node: NodeFacts(
                        masqueradeAll: true, nodePortAddresses: ["0.0.0.0/0"].compactMap { CIDR($0) }),
                    masqueradeBit: 0)),
            Scenario(
                name: "weights, and pods by interface", desired: Desired(services: weighted, node: interfaces)),
            Scenario(name: "lists and limits", desired: Desired(services: limited, node: interfaces)),
            Scenario(name: "affinity", desired: Desired(services: sticky, node: interfaces)),
        ]
    }()

    static let interfaces: NodeFacts = {
        var node = NodeFacts(nodeName: "node-a", nodePortAddresses: ["192.0.2.0/24"].compactMap { CIDR($0) })
        node.podInterfaces = [.bridge("cni0"), .prefix("veth")]
        return node
    }()

    /// Every service, with weights, some of them 0.
    static let weighted = everything.enumerated().map { index, service in
        var service = service
        for place in service.endpoints.indices { service.endpoints[place].weight = UInt16((index + place) % 4) }
        return service
    }

    /// The same with clients that are remembered.
    static let sticky = weighted.enumerated().map { index, service in
        var service = service
        service.clientIPAffinitySeconds = [10800, 60, 86400][index % 3]
        return service
    }

    /// Every service with lists of sources and some of the limits.
    static let limited = everything.enumerated().map { index, service in
        var service = service
        service.allowedSources = ["192.0.2.0/24", "198.51.100.0/25", "2001:db8::/33"].compactMap { CIDR($0) }
        if index % 2 == 0 { service.deniedSources = ["192.0.2.7/32", "2001:db8::7/128"].compactMap { CIDR($0) } }
        if index % 3 != 1 { service.maxConnections = UInt32(1000 + index) }
        if index % 3 != 2 { service.maxConnectionsPerSource = UInt32(10 + index % 4) }
        if index % 4 != 0 {
            service.newConnectionsPerSecond = RateLimit(perSecond: UInt32(index), burst: UInt32(4 + index))
        }
        return service
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
            everyKind("inner", 3, transport) {
                $0.internalTrafficPolicy = .local
                for index in $0.endpoints.indices where index % 3 != 0 { $0.endpoints[index].nodeName = "node-a" }
            },
            everyKind("empty", 4, transport) { $0.endpoints = [] },
        ]
    }
}
