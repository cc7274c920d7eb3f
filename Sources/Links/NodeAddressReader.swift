public import NetAddress
public import Netlink
internal import NetlinkWire

/// Reads the addresses of a network namespace by rtnetlink.
public struct NodeAddressReader: ~Copyable {
    private var socket: NetlinkSocket

    /// Opens a socket in the calling thread's network namespace. It takes no privilege.
    public init() throws(NetlinkError) { socket = try NetlinkSocket(.route) }

    /// All addresses of all interfaces.
    public mutating func addresses() throws(NetlinkError) -> Set<IPAddress> {
        // The list may change while it is dumped, and then the kernel says so.
        for _ in 0..<8 {
            do {
                return try dump()
            } catch {
                guard error.isStale else { throw error }
            }
        }
        return try dump()
    }

    private mutating func dump() throws(NetlinkError) -> Set<IPAddress> {
        var addresses: Set<IPAddress> = []
        try socket.request(type: RouteMessage.getAddress, flags: .dump, operation: "listing the node's addresses") {
            // struct ifaddrmsg with no family: all of them.
            $0.append(0 as UInt64)
        } onMessage: { message in
            if let address = AddressMessage(message)?.address { addresses.insert(address) }
        }
        return addresses
    }
}

/// Types of messages and groups of rtnetlink (linux/rtnetlink.h).
enum RouteMessage {
    static let newAddress: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let getAddress: UInt16 = 22
    /// `RTNLGRP_IPV4_IFADDR`.
    static let groupIPv4Addresses: UInt32 = 5
    /// `RTNLGRP_IPV6_IFADDR`.
    static let groupIPv6Addresses: UInt32 = 9
}

/// A message about an address of an interface.
struct AddressMessage {
    /// `sizeof(struct ifaddrmsg)` (linux/if_addr.h).
    private static let headerLength = 8
    /// `IFA_ADDRESS`, and `IFA_LOCAL`, which differs from it where the interface has a peer, and then it is the own one.
    private static let addressAttribute: UInt16 = 1
    private static let localAttribute: UInt16 = 2

    let address: IPAddress

    /// Nil for other messages.
    init?(_ message: Message) {
        guard message.type == RouteMessage.newAddress || message.type == RouteMessage.deleteAddress else { return nil }
        let attributes = message.attributes(after: Self.headerLength)
        guard let attribute = attributes.first(Self.localAttribute) ?? attributes.first(Self.addressAttribute),
            let address = IPAddress(networkBytes: attribute.payload)
        else { return nil }
        self.address = address
    }
}
