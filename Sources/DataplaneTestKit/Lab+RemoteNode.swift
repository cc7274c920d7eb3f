import NetAddress

/// The second node: a router on a link of its own, with pods behind it.
///
/// Whatever its pods send passes the first node, packets from one of them to another too. So a connection of a remote
/// pod that the first node redirects to another remote pod comes back by the first node, where it is translated back.
extension Lab {
    /// The node's addresses on the link to the second node: what a remote pod sees of a masqueraded client.
    public static let nodeAddressesOnRemoteLink = DualStack(
        ipv4: IPAddress(ipv4: 0xac12_000a), ipv6: IPAddress(ipv6: 0xfd00_0018_0000_0000, 0x10))
    /// The second node's addresses on that link.
    public static let remoteNodeAddresses = DualStack(
        ipv4: IPAddress(ipv4: 0xac12_000b), ipv6: IPAddress(ipv6: 0xfd00_0018_0000_0000, 0x11))

    /// The addresses of the remote pod with a number from 1.
    public static func remotePodAddresses(_ number: Int) -> DualStack {
        DualStack(
            ipv4: IPAddress(ipv4: 0x0af4_0201 + UInt32(truncatingIfNeeded: number & 0xff)),
            ipv6: IPAddress(ipv6: 0xfd00_0244_0002_0000, 1 + UInt64(truncatingIfNeeded: number & 0xff)))
    }

    /// The second node's address on the link to every pod of its own.
    static let remoteGatewayAddresses = remotePodAddresses(0)

    /// The routing table of what the second node's pods send.
    private static let tableOfRemotePods = 100

    /// The node would tell a remote pod that there is a shorter way to its neighbour.
    func prepareForRemoteNode() throws {
        try node.sysctl("net.ipv4.conf.all.send_redirects", "0")
        try node.sysctl("net.ipv4.conf.default.send_redirects", "0")
    }

    static func cable(toRemoteNode remoteNode: NetworkNamespace) -> NetworkNamespace.Cable {
        let podNetworks = remoteGatewayAddresses.networks(24, 64)
        return NetworkNamespace.Cable(
            NetworkNamespace.LinkEnd(
                "node2", addresses: nodeAddressesOnRemoteLink.onLink(24, 64),
                routes: podNetworks.map { NetworkNamespace.Route($0, via: remoteNodeAddresses[$0.family]) }),
            to: NetworkNamespace.LinkEnd(
                "eth0", addresses: remoteNodeAddresses.onLink(24, 64),
                routes: defaultRoutes(via: nodeAddressesOnRemoteLink)),
            in: remoteNode)
    }

    func connectRemotePods(to remoteNode: NetworkNamespace) throws {
        try remoteNode.becomeRouter()
        try remoteNode.connect(remotePods.map { Self.cable(to: $0, gateway: Self.remoteGatewayAddresses) })
        for block in DualStack(ipv4: IPAddress(ipv4: 0), ipv6: IPAddress(ipv6: 0, 0)).networks(0, 0) {
            let gateway = Self.nodeAddressesOnRemoteLink[block.family]
            let route = "route add \(block) via \(gateway) dev eth0 table \(Self.tableOfRemotePods)"
            let rules = remotePods.map { "rule add iif \($0.name) table \(Self.tableOfRemotePods)" }
            try remoteNode.ip([route] + rules, family: block.family)
        }
    }
}
