public import NetAddress

/// An address of each family.
public struct DualStack: Hashable, Sendable {
    public var ipv4: IPAddress
    public var ipv6: IPAddress

    public init(ipv4: IPAddress, ipv6: IPAddress) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }

    public subscript(family: IPFamily) -> IPAddress { family == .ipv4 ? ipv4 : ipv6 }

    /// Both as an interface has them.
    func onLink(_ ipv4Length: Int, _ ipv6Length: Int) -> [InterfaceAddress] {
        [InterfaceAddress(ipv4, prefixLength: ipv4Length), InterfaceAddress(ipv6, prefixLength: ipv6Length)]
    }

    /// The networks that they are in.
    func networks(_ ipv4Length: Int, _ ipv6Length: Int) -> [CIDR] {
        [CIDR(ipv4, prefixLength: ipv4Length), CIDR(ipv6, prefixLength: ipv6Length)].compactMap { $0 }
    }
}

/// An interface's own address, and the length of the network that it is in. Unlike ``CIDR`` it keeps its host bits.
public struct InterfaceAddress: Hashable, Sendable {
    public var address: IPAddress
    public var prefixLength: Int

    public init(_ address: IPAddress, prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }
}
