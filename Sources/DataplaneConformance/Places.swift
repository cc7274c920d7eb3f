internal import DataplaneTestKit
public import NetAddress
internal import ServiceModel
public import ServicePlan

extension NodeFacts {
    /// The lab's node: `node-a` in `zone-a`.
    public static func conformance(
        podsAreKnown families: Set<IPFamily> = [], masqueradeAll: Bool = false
    ) -> NodeFacts {
        NodeFacts(
            nodeName: "node-a", zone: "zone-a",
            clusterCIDRs: Place.podBlocks.filter { families.contains($0.family) }, masqueradeAll: masqueradeAll)
    }
}

/// Where an endpoint is, physically and by its labels.
enum Place: String, CaseIterable {
    /// On this node.
    case pod1, pod2
    /// On the second node: remote1 is in this node's zone, remote2 says that it is on a third node in another zone.
    case remote1, remote2

    static let podBlocks = ["10.244.0.0/16", "fd00:244::/32"].compactMap { CIDR($0) }

    var addresses: DualStack {
        switch self {
        case .pod1: Lab.podAddresses(1)
        case .pod2: Lab.podAddresses(2)
        case .remote1: Lab.remotePodAddresses(1)
        case .remote2: Lab.remotePodAddresses(2)
        }
    }

    var nodeName: String {
        switch self {
        case .pod1, .pod2: "node-a"
        case .remote1: "node-b"
        case .remote2: "node-c"
        }
    }

    var zone: String { self == .remote2 ? "zone-b" : "zone-a" }

    /// What a server there sees of a masqueraded client: the node's address on the link to it.
    var addressOfMasquerade: DualStack {
        switch self {
        case .pod1, .pod2: Lab.gatewayAddresses
        case .remote1, .remote2: Lab.nodeAddressesOnRemoteLink
        }
    }

    /// The endpoint there, in both families.
    func endpoints(
        _ conditions: EndpointConditions = .ready, _ change: (inout Endpoint) -> Void = { _ in }
    ) -> [Endpoint] {
        IPFamily.allCases.map { family in
            var endpoint = Endpoint(address: addresses[family])
            endpoint.nodeName = nodeName
            endpoint.zone = zone
            endpoint.conditions = conditions
            change(&endpoint)
            return endpoint
        }
    }
}

extension EndpointConditions {
    /// Shutting down, and still answering.
    static let serving: EndpointConditions = [.isServing, .isTerminating]
    /// Shutting down, and not answering any more.
    static let dead: EndpointConditions = [.isTerminating]
    /// Neither ready nor shutting down, although it answers.
    static let unready: EndpointConditions = [.isServing]
}

extension Service {
    /// A service that has every kind of address, all its own by a number from 0 to 999: port 80, which leads to 8080.
    static func numbered(
        _ number: Int, _ name: String, transports: [TransportProtocol] = [.tcp], endpoints: [[Endpoint]] = [],
        _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        var service = Service(name: ServiceName(namespace: "conformance", name: name))
        let offset = UInt32(0x100 + number)
        func addresses(_ ipv4: UInt32, _ ipv6: UInt64) -> [IPAddress] {
            [IPAddress(ipv4: ipv4 + offset), IPAddress(ipv6: ipv6, UInt64(offset))]
        }
        service.clusterIPs = addresses(0x0a60_0000, 0xfd00_0096_0000_0000)
        service.externalIPs = addresses(0xc612_0000, 0x2001_0db8_000e_0000)
        service.loadBalancerIPs = addresses(0xc613_0000, 0x2001_0db8_001b_0000)
        service.ports = transports.map { transport in
            ServicePort(
                name: "web-\(transport)", transport: transport, port: 80, target: .number(8080),
                nodePort: UInt16(30_000 + number))
        }
        service.endpoints = endpoints.flatMap { $0 }
        change(&service)
        return service
    }
}

extension IPAddress {
    /// An address that is known to be one.
    init(known text: String) {
        guard let address = IPAddress(text) else { preconditionFailure("\(text) is no address") }
        self = address
    }
}
