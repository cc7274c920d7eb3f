internal import DataplaneTestKit
internal import NetAddress
public import ServiceModel
public import ServicePlan

/// Services that between them use whatever a backend makes of definitions, for comparing what is written with what
/// stock tools make of it. No packet meets them.
public enum SampleServices {
    /// A service of every kind of address, with three endpoints in each family.
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

    /// Every pair of traffic policies for `node-a`, with each protocol.
    public static let everything: [Service] = TransportProtocol.allCases.flatMap { transport in
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

    /// Every service, with weights, some of them 0.
    public static let weighted = everything.enumerated().map { index, service in
        var service = service
        for place in service.endpoints.indices { service.endpoints[place].weight = UInt16((index + place) % 4) }
        return service
    }

    /// The same with clients that are remembered, for several times.
    public static let sticky = weighted.enumerated().map { index, service in
        var service = service
        service.clientIPAffinitySeconds = [10800, 60, 86400][index % 3]
        return service
    }

    /// Every service with lists of sources.
    public static let listed = everything.enumerated().map { index, service in
        var service = service
        service.allowedSources = ["192.0.2.0/24", "198.51.100.0/25", "2001:db8::/33"].compactMap { CIDR($0) }
        if index % 2 == 0 { service.deniedSources = ["192.0.2.7/32", "2001:db8::7/128"].compactMap { CIDR($0) } }
        return service
    }

    /// The same with some of the limits.
    public static let limited = listed.enumerated().map { index, service in
        var service = service
        if index % 3 != 1 { service.maxConnections = UInt32(1000 + index) }
        if index % 3 != 2 { service.maxConnectionsPerSource = UInt32(10 + index % 4) }
        if index % 4 != 0 {
            service.newConnectionsPerSecond = RateLimit(perSecond: UInt32(index), burst: UInt32(4 + index))
        }
        return service
    }

    /// A node that knows pods by their interfaces, and has node ports at a block.
    public static let nodeWithInterfaces: NodeFacts = {
        var node = NodeFacts(nodeName: "node-a", nodePortAddresses: ["192.0.2.0/24"].compactMap { CIDR($0) })
        node.podInterfaces = [.bridge("cni0"), .prefix("veth")]
        return node
    }()
}
