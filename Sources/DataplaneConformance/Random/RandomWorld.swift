package import NetAddress
internal import ServiceModel
package import ServicePlan

/// The addresses, ports and blocks that random definitions and packets are made of: few, so that they meet often.
package enum RandomWorld {
    package static let nodeAddresses = ["192.0.2.10", "10.244.0.1", "2001:db8::10", "fd00:244::1"].map {
        IPAddress(known: $0)
    }

    package static func node(_ family: IPFamily) -> [IPAddress] { nodeAddresses.filter { $0.family == family } }

    private static func numbered(_ family: IPFamily, _ ipv4: UInt32, _ ipv6: UInt64, _ count: Int) -> [IPAddress] {
        (1...count).map { number in
            family == .ipv4
                ? IPAddress(ipv4: ipv4 + UInt32(number)) : IPAddress(ipv6: ipv6, UInt64(number) << 16 | UInt64(number))
        }
    }

    /// Pods of this node and of others, within 10.244.0.0/16, and some that are outside of it.
    package static func pods(_ family: IPFamily) -> [IPAddress] {
        numbered(family, 0x0af4_0100, 0xfd00_0244_0000_0001, 10)
            + numbered(family, 0x0af4_8200, 0xfd00_0244_8000_0000, 6)
            + numbered(family, 0x0afa_0000, 0xfd00_0250_0000_0000, 4)
    }

    package static func outside(_ family: IPFamily) -> [IPAddress] {
        let addresses =
            family == .ipv4
            ? ["198.51.100.7", "198.51.100.9", "198.51.100.130", "203.0.113.200", "192.0.2.77", "8.8.8.8"]
            : ["2001:db8:1::7", "2001:db8:1::9", "2001:db8:1:8000::1", "2001:db8:2::1", "2001:db8::77", "2620:fe::fe"]
        return addresses.map { IPAddress(known: $0) }
    }

    package static func clusterIPs(_ family: IPFamily) -> [IPAddress] {
        numbered(family, 0x0a60_0000, 0xfd00_0096_0000_0000, 70)
    }

    package static func externalIPs(_ family: IPFamily) -> [IPAddress] {
        numbered(family, 0xcb00_7100, 0x2001_0db8_ffff_0000, 30) + node(family)
    }

    package static func loopback(_ family: IPFamily) -> IPAddress {
        IPAddress(known: family == .ipv4 ? "127.0.0.1" : "::1")
    }

    /// Blocks for lists of sources.
    package static let sourceBlocks: [CIDR] = [
        "198.51.100.0/24", "198.51.100.0/25", "198.51.100.8/29", "198.51.100.7/32", "192.0.2.0/26", "192.0.2.10/32",
        "10.244.0.0/16", "10.244.1.0/29", "10.0.0.0/8", "8.8.8.8/31", "2001:db8:1::/48", "2001:db8:1::/49",
        "2001:db8:1::8/125", "2001:db8:1::7/128", "2001:db8::10/128", "2001:db8::/32", "fd00:244::/32",
        "fd00:244:0:1::/64", "2620:fe::/33",
    ].compactMap { CIDR($0) }

    package static let everything: [CIDR] = ["0.0.0.0/0", "::/0"].compactMap { CIDR($0) }

    package static let clusterBlocks: [CIDR] = [
        "10.244.0.0/16", "10.244.0.0/20", "10.250.0.0/15", "10.244.1.4/31", "fd00:244::/32", "fd00:244::/50",
        "fd00:250::/31",
    ].compactMap { CIDR($0) }

    package static let serviceBlocks: [CIDR] = [
        "10.96.0.0/16", "10.96.0.0/26", "10.96.0.32/27", "203.0.113.0/28", "192.0.2.0/24", "fd00:96::/32",
        "fd00:96::/106", "2001:db8:ffff::/48",
    ].compactMap { CIDR($0) }

    package static let nodePortBlocks: [CIDR] = [
        "192.0.2.0/24", "192.0.2.10/32", "10.244.0.0/17", "203.0.113.0/24", "2001:db8::/61", "fd00:244::1/128",
    ].compactMap { CIDR($0) }

    package static let interfaces: [PodInterface] = [.bridge("cni0"), .bridge("eth0"), .prefix("veth"), .prefix("c")]
    package static let interfaceNames: [String?] = [
        "eth0", "eth1", "cni0", "cni01", "veth", "veth7f00", "vet", "cali0", nil,
    ]

    package static let servicePorts: [UInt16] = [53, 80, 443, 8080, 30080, 30081]
    package static let nodePorts: [UInt16] = [30080, 30081, 30082, 30083, 30084, 8080, 443]
    package static let targetPorts: [UInt16] = [8080, 8080, 80, 9090, 53, 30080]
    package static let namespaces = ["a", "prop"]
    package static let nodeNames: [String?] = ["node-a", "node-a", "node-b", nil]
    package static let zones = ["zone-1", "zone-2"]
}
