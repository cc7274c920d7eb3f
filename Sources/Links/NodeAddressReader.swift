public import NetAddress
public import Netlink

/// Reads the addresses of a network namespace by rtnetlink.
public struct NodeAddressReader: ~Copyable {
    private var socket: NetlinkSocket

    /// Opens a socket in the calling thread's network namespace. It takes no privilege.
    public init() throws(NetlinkError) { socket = try NetlinkSocket(.route) }

    /// All addresses of all interfaces.
    public mutating func addresses() throws(NetlinkError) -> Set<IPAddress> {
        Set(try LinkAddress.all(&socket).map(\.address))
    }
}
