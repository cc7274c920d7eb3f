public import Netlink

/// Hears that addresses come and go in the network namespace where it was opened.
public struct AddressMonitor: ~Copyable {
    private var socket: NetlinkSocket

    /// Begins to listen. Read the addresses after this, and nothing is missed.
    public init() throws(NetlinkError) {
        let socket = try NetlinkSocket(.route)
        for group in [RouteMessage.groupIPv4Addresses, RouteMessage.groupIPv6Addresses] {
            try socket.join(group: group, bufferSize: 1 << 20)
        }
        self.socket = socket
    }

    /// The descriptor to wait on, for as long as the monitor lives.
    public var descriptor: Int32 { socket.descriptor }

    /// Whether anything has changed since the last call, or may have.
    public mutating func hasChanged() throws(NetlinkError) -> Bool {
        var hasChanged = false
        do {
            try socket.receiveWaiting("listening for addresses") { message in
                if LinkAddress(message) != nil { hasChanged = true }
            }
            return hasChanged
        } catch {
            // The kernel had to leave out messages.
            guard error.isOverrun else { throw error }
            return true
        }
    }
}
