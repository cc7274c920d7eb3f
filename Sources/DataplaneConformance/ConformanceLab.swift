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

    var client: Source { Source("client", lab.client, Lab.clientAddresses) }
    var nodeItself: Source { Source("the node", lab.node, Lab.nodeAddresses, isNode: true) }
    /// A pod on this node that is nobody's endpoint.
    var pod: Source { Source("a pod", lab.pods[2].namespace, lab.pods[2].addresses) }
    /// A pod on this node that is an endpoint of many services.
    var endpoint: Source { Source("the endpoint pod1", lab.pods[0].namespace, lab.pods[0].addresses) }
    /// A pod on the second node that is nobody's endpoint.
    var remotePod: Source { Source("a remote pod", lab.remotePods[2].namespace, lab.remotePods[2].addresses) }

    /// Everybody who may connect.
    var sources: [Source] { [client, nodeItself, pod, endpoint, remotePod] }
}

/// Who connects.
struct Source: Sendable {
    let name: String
    let namespace: NetworkNamespace
    let addresses: DualStack
    /// Whether it is a process of the node itself.
    let isNode: Bool

    init(_ name: String, _ namespace: NetworkNamespace, _ addresses: DualStack, isNode: Bool = false) {
        self.name = name
        self.namespace = namespace
        self.addresses = addresses
        self.isNode = isNode
    }

    /// The address that it sends from. A host that calls an address of its own sends from that address.
    func address(towards destination: IPAddress, ownAddresses: Set<IPAddress>) -> IPAddress {
        isNode && ownAddresses.contains(destination) ? destination : addresses[destination.family]
    }
}
