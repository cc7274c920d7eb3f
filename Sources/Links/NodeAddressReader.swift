public import NetAddress
public import Netlink

/// Reads the addresses of a network namespace by rtnetlink.
public struct NodeAddressReader: ~Copyable {
    private var socket: LinkSocket

    /// Opens a socket in the calling thread's network namespace. It takes no privilege.
    public init() throws(NetlinkError) { socket = try LinkSocket() }

    /// All addresses of all interfaces but those of some names.
    public mutating func addresses(exceptOn names: Set<String> = []) throws(LinkError) -> Set<IPAddress> {
        let excepted =
            names.isEmpty ? [] : Set(try socket.links().filter { names.contains($0.name) }.map(\.index))
        return Set(try socket.addresses().filter { !excepted.contains($0.link) }.map(\.address))
    }
}
