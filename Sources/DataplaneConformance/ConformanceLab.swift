internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel

/// The lab with a server at every place and port that endpoints may name.
final class ConformanceLab: Sendable {
    /// The target ports that have servers.
    static let ports: [UInt16] = [8080, 9090]

    let lab: Lab
    private let servers: [EchoServer]

    init(mode: EchoServer.Mode = .answerAndClose) throws {
        let lab = try Lab(pods: 3, remotePods: 3)
        let namespaces = Dictionary(uniqueKeysWithValues: (lab.pods + lab.remotePods).map { ($0.name, $0.namespace) })
        var servers: [EchoServer] = []
        for place in Place.allCases {
            guard let namespace = namespaces[place.rawValue] else { continue }
            for port in Self.ports {
                for transport in [TransportProtocol.tcp, .udp] {
                    servers += try IPFamily.allCases.map { family in
                        try EchoServer(
                            in: namespace, address: place.addresses[family], port: port, transport: transport,
                            name: Self.server(place, port), mode: mode)
                    }
                }
            }
        }
        self.lab = lab
        self.servers = servers
    }

    var node: NetworkNamespace { lab.node }

    /// A server's name, such as `pod1:8080`.
    static func server(_ place: Place, _ port: UInt16) -> String { "\(place.rawValue):\(port)" }

    /// The names of all servers.
    static let servers = Set(Place.allCases.flatMap { place in ports.map { server(place, $0) } })

    var client: Source { Source("client", lab.client, Lab.clientAddresses, interface: "client") }
    var nodeItself: Source { Source("the node", lab.node, Lab.nodeAddresses, interface: nil) }
    /// A pod on this node that is nobody's endpoint.
    var pod: Source { Source("a pod", lab.pods[2].namespace, lab.pods[2].addresses, interface: "pod3") }
    /// A pod on this node that is an endpoint of many services.
    var endpoint: Source {
        Source("the endpoint pod1", lab.pods[0].namespace, lab.pods[0].addresses, interface: "pod1")
    }
    /// A pod on the second node that is nobody's endpoint.
    var remotePod: Source {
        Source("a remote pod", lab.remotePods[2].namespace, lab.remotePods[2].addresses, interface: "node2")
    }

    /// Everybody who may connect.
    var sources: [Source] { [client, nodeItself, pod, endpoint, remotePod] }

    /// Gives the client more addresses, as if it were as many hosts: at most 100. Who does not say where it sends from
    /// gets none of them: the first of a network is the one that counts in IPv4, and in IPv6 these are deprecated.
    func makeClients(_ count: Int) throws -> [Source] {
        let addresses = (0..<count).map { number in
            DualStack(
                ipv4: IPAddress(ipv4: 0xc000_0280 + UInt32(number)),
                ipv6: IPAddress(ipv6: 0x2001_0db8_0000_0000, 0x1000 + UInt64(number)))
        }
        try lab.client.add(
            addresses.flatMap {
                [InterfaceAddress($0.ipv4, prefixLength: 24), InterfaceAddress($0.ipv6, prefixLength: 64)]
            }, to: "eth0", preferred: false)
        return addresses.enumerated().map { number, addresses in
            Source("client \(number)", lab.client, addresses, interface: "client", isOneOfMany: true)
        }
    }
}

/// Who connects.
struct Source: Sendable {
    let name: String
    let namespace: NetworkNamespace
    let addresses: DualStack
    /// The node's interface that its packets come in by; nil for the node itself.
    let interface: String?
    /// Whether it shares its host with others, so that it must say which address it sends from.
    let isOneOfMany: Bool

    init(
        _ name: String, _ namespace: NetworkNamespace, _ addresses: DualStack, interface: String?,
        isOneOfMany: Bool = false
    ) {
        self.name = name
        self.namespace = namespace
        self.addresses = addresses
        self.interface = interface
        self.isOneOfMany = isOneOfMany
    }

    /// Whether it is a process of the node itself.
    var isNode: Bool { interface == nil }

    /// The address to bind to; nil where the kernel may choose.
    func boundAddress(_ family: IPFamily) -> IPAddress? { isOneOfMany ? addresses[family] : nil }

    /// The address that it sends from. A host that calls an address of its own sends from that address.
    func address(towards destination: IPAddress, ownAddresses: Set<IPAddress>) -> IPAddress {
        isNode && ownAddresses.contains(destination) ? destination : addresses[destination.family]
    }
}
