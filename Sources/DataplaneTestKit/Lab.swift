public import NetAddress

/// A small cluster: a client outside, one node, pods on the node, and, if they are asked for, pods on a second node.
/// Dual stack, routed, not bridged.
///
/// ```
/// client 192.0.2.100 ────── node 192.0.2.10 ──┬── pod1 10.244.1.2   fd00:244:1::2
///        2001:db8::100           2001:db8::10 ├── pod2 10.244.1.3   fd00:244:1::3
///                                             ├── pod3 10.244.1.4   fd00:244:1::4
///                            172.18.0.10      │
///                            fd00:18::10      └── node2 172.18.0.11 ──┬── remote1 10.244.2.2  fd00:244:2::2
///                                                       fd00:18::11   └── remote2 10.244.2.3  fd00:244:2::3
/// ```
///
/// Client and pods have the node as their default route, so packets to service addresses pass it. The node's own
/// default route leads to the client: what it sends to a service address must find a route before it is translated.
/// The client forwards nothing, so what no rule translates ends there in silence.
public final class Lab: Sendable {
    /// A pod: a namespace with one address per family.
    public struct Pod: Sendable {
        /// `pod1`, `pod2`… or `remote1`, `remote2`…, which is its interface on its node too.
        public let name: String
        public let namespace: NetworkNamespace
        public let addresses: DualStack
    }

    public let client: NetworkNamespace
    public let node: NetworkNamespace
    public let pods: [Pod]
    /// The second node, a mere router; nil where no remote pods were asked for.
    public let remoteNode: NetworkNamespace?
    /// The pods on the second node.
    public let remotePods: [Pod]

    public static let clientAddresses = DualStack(
        ipv4: IPAddress(ipv4: 0xc000_0264), ipv6: IPAddress(ipv6: 0x2001_0db8_0000_0000, 0x100))
    public static let nodeAddresses = DualStack(
        ipv4: IPAddress(ipv4: 0xc000_020a), ipv6: IPAddress(ipv6: 0x2001_0db8_0000_0000, 0x10))
    /// The node's address on the link to every pod.
    public static let gatewayAddresses = podAddresses(0)

    /// The addresses of the pod with a number from 1.
    public static func podAddresses(_ number: Int) -> DualStack {
        DualStack(
            ipv4: IPAddress(ipv4: 0x0af4_0101 + UInt32(truncatingIfNeeded: number & 0xfff)),
            ipv6: IPAddress(ipv6: 0xfd00_0244_0001_0000, 1 + UInt64(truncatingIfNeeded: number & 0xfff)))
    }

    /// Builds the lab; needs ``TestPrivilege/canMakeNamespaces``.
    ///
    /// The second node and its link exist only where there are pods on it.
    public init(pods count: Int = 3, remotePods remoteCount: Int = 0) throws {
        client = try NetworkNamespace("client")
        node = try NetworkNamespace("node")
        pods = try Self.makePods(count, "pod", Self.podAddresses)
        remotePods = try Self.makePods(remoteCount, "remote", Self.remotePodAddresses)
        remoteNode = remotePods.isEmpty ? nil : try NetworkNamespace("node2")
        try node.becomeRouter()
        var cables = [cableToClient] + pods.map { Self.cable(to: $0, gateway: Self.gatewayAddresses) }
        if let remoteNode {
            try prepareForRemoteNode()
            cables.append(Self.cable(toRemoteNode: remoteNode))
        }
        try node.connect(cables)
        if let remoteNode { try connectRemotePods(to: remoteNode) }
    }

    private static func makePods(
        _ count: Int, _ prefix: String, _ addresses: (Int) -> DualStack
    ) throws -> [Pod] {
        try (0..<max(0, count)).map { index in
            let name = "\(prefix)\(index + 1)"
            return Pod(name: name, namespace: try NetworkNamespace(name), addresses: addresses(index + 1))
        }
    }

    private var cableToClient: NetworkNamespace.Cable {
        NetworkNamespace.Cable(
            NetworkNamespace.LinkEnd(
                "client", addresses: Self.nodeAddresses.onLink(24, 64),
                routes: Self.defaultRoutes(via: Self.clientAddresses)),
            to: NetworkNamespace.LinkEnd(
                "eth0", addresses: Self.clientAddresses.onLink(24, 64),
                routes: Self.defaultRoutes(via: Self.nodeAddresses)),
            in: client)
    }

    /// Every pod's link has the same gateway address on its node, and a host route to the pod.
    static func cable(to pod: Pod, gateway: DualStack) -> NetworkNamespace.Cable {
        NetworkNamespace.Cable(
            NetworkNamespace.LinkEnd(
                pod.name, addresses: gateway.onLink(32, 128),
                routes: pod.addresses.networks(32, 128).map { NetworkNamespace.Route($0) }),
            to: NetworkNamespace.LinkEnd(
                "eth0", addresses: pod.addresses.onLink(32, 128),
                routes: gateway.networks(32, 128).map { NetworkNamespace.Route($0) }
                    + defaultRoutes(via: gateway)),
            in: pod.namespace)
    }

    static func defaultRoutes(via gateway: DualStack) -> [NetworkNamespace.Route] {
        gateway.networks(0, 0).map { NetworkNamespace.Route($0, via: gateway[$0.family]) }
    }
}

// MARK: - What tests want at hand

extension Lab {
    /// Starts a server in every pod, remote ones too, on each address of the families, named like the pod.
    public func startServers(
        port: UInt16 = 8080, transport: TransportProtocol = .tcp, families: [IPFamily] = IPFamily.allCases,
        mode: EchoServer.Mode = .answerAndClose
    ) throws -> [EchoServer] {
        try (pods + remotePods).flatMap { pod in
            try families.map { family in
                try EchoServer(
                    in: pod.namespace, address: pod.addresses[family], port: port, transport: transport,
                    name: pod.name, mode: mode)
            }
        }
    }
}
