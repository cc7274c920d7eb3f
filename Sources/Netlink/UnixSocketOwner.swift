internal import NetlinkWire

/// Says who has a unix socket, also where nobody answers there (sock_diag(7)).
public enum UnixSocketOwner {
    /// The user who made the socket that is bound to a name and takes or could take connections, in the calling thread's
    /// network namespace; nil if there is none, or the kernel does not say (UDIAG_SHOW_UID, Linux 5.3).
    ///
    /// - Parameter name: as the kernel has it: an abstract one begins with a zero byte.
    public static func user(ofSocketNamed name: [UInt8]) -> UInt32? {
        guard var socket = try? NetlinkSocket(.socketDiagnosis) else { return nil }
        var user: UInt32?
        // A list that changed meanwhile names the owner all the same.
        try? socket.request(type: byFamily, flags: .dump, operation: "looking for a unix socket") { buffer in
            // struct unix_diag_req: family, protocol, padding, states, inode, what to show, cookie.
            buffer.append(UInt8(1))
            buffer.append(UInt8(0))
            buffer.append(UInt16(0))
            buffer.append(states)
            buffer.append(UInt32(0))
            buffer.append(showName | showUser)
            buffer.append(UInt64.max)
        } onMessage: { message in
            // struct unix_diag_msg has 16 bytes.
            let attributes = message.attributes(after: 16)
            guard let found = attributes.first(nameAttribute)?.payload, found.elementsEqual(name) else { return }
            user = attributes.first(userAttribute)?.hostEndian()
        }
        return user
    }

    // linux/sock_diag.h, linux/unix_diag.h, net/tcp_states.h.
    private static var byFamily: UInt16 { 20 }
    /// Those that listen (TCP_LISTEN), and those that are bound and do not (TCP_CLOSE).
    private static var states: UInt32 { 1 << 10 | 1 << 7 }
    private static var showName: UInt32 { 1 }
    private static var showUser: UInt32 { 1 << 6 }
    private static var nameAttribute: UInt16 { 0 }
    private static var userAttribute: UInt16 { 7 }
}
