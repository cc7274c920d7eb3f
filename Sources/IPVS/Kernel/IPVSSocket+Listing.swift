internal import Glibc
internal import NetAddress
public import Netlink
internal import NetlinkWire

extension IPVSSocket {
    /// All virtual servers, in the kernel's order; those of protocols other than TCP, UDP and SCTP are left out.
    ///
    /// The kernel hands the list out in pieces and counts its way to the next, without a word if the list changed in
    /// between. One that comes twice shows that it did, and the list is read again. One that was passed over because
    /// another left cannot be noticed: if others change IPVS too, a missing server may be there all the same.
    ///
    /// - Throws: EPERM without CAP_NET_ADMIN; EINTR if the list does not come to rest.
    public mutating func virtualServers() throws(NetlinkError) -> [VirtualServerStatus] {
        try list("listing virtual servers") { (socket, operation) throws(NetlinkError) in
            var servers: [VirtualServerStatus] = []
            try socket.request(.getService, flags: .dump, answer: .newService, operation: operation) {
                guard let server = $0.first(CommandAttribute.service).flatMap({ VirtualServerStatus($0) }) else {
                    return
                }
                servers.append(server)
            }
            return servers
        } key: {
            $0.server.id
        }
    }

    /// One virtual server; nil if it is absent.
    public mutating func virtualServer(_ id: VirtualServerID) throws(NetlinkError) -> VirtualServerStatus? {
        var server: VirtualServerStatus?
        do {
            try request(
                .getService, flags: [], answer: .newService, operation: "reading a virtual server",
                { $0.service(id) },
                onAnswer: { server = $0.first(CommandAttribute.service).flatMap { VirtualServerStatus($0) } })
        } catch {
            guard error.errno == ESRCH else { throw error }
        }
        return server
    }

    /// The real servers of a virtual server, in the kernel's order; none if it is absent.
    ///
    /// What ``virtualServers()`` says of lists that change holds here too.
    public mutating func realServers(of id: VirtualServerID) throws(NetlinkError) -> [RealServerStatus] {
        try list("listing real servers") { (socket, operation) throws(NetlinkError) in
            var servers: [RealServerStatus] = []
            try socket.request(
                .getDestination, flags: .dump, answer: .newDestination, operation: operation,
                { $0.service(id) },
                onAnswer: {
                    guard
                        let server = $0.first(CommandAttribute.destination)
                            .flatMap({ RealServerStatus($0, family: id.family) })
                    else { return }
                    servers.append(server)
                })
            return servers
        } key: {
            $0.server.id
        }
    }

    /// Reads a list until nothing comes twice.
    private mutating func list<Item, Key: Hashable>(
        _ operation: String, _ dump: (inout IPVSSocket, String) throws(NetlinkError) -> [Item], key: (Item) -> Key
    ) throws(NetlinkError) -> [Item] {
        for _ in 0..<8 {
            do {
                let items = try dump(&self, operation)
                if Set(items.map(key)).count == items.count { return items }
            } catch {
                guard error.isStale else { throw error }
            }
        }
        throw NetlinkError(errno: EINTR, operation: operation, message: "it changes all the time")
    }
}
