internal import Glibc
internal import NetAddress
public import Netlink
internal import NetlinkWire

extension IPVSSocket {
    /// All virtual servers, in no order; those of protocols other than TCP, UDP and SCTP are left out.
    ///
    /// The kernel hands out the servers of all namespaces in pieces, of which it leaves out those of others, and finds
    /// the next piece by counting. If a server comes or goes anywhere on the machine in between, some are passed over or
    /// come twice, without a word. So the list is read until it holds all that was seen before, which is twice where
    /// nobody interferes, and servers that are sometimes missing are asked for by name.
    ///
    /// - Throws: EPERM without CAP_NET_ADMIN.
    public mutating func virtualServers() throws(NetlinkError) -> [VirtualServerStatus] {
        var servers = try dumpVirtualServers()
        if servers.isEmpty { return [] }
        for _ in 0..<8 {
            let again = try dumpVirtualServers()
            let missing = servers.keys.filter { again[$0] == nil }
            let isComplete = missing.isEmpty && again.count == servers.count
            servers = again
            if isComplete { break }
            for id in missing { servers[id] = try virtualServer(id) }
        }
        return Array(servers.values)
    }

    /// One reading, by which some may be missing.
    private mutating func dumpVirtualServers() throws(NetlinkError) -> [VirtualServerID: VirtualServerStatus] {
        try untilComplete("listing virtual servers") { (socket, operation) throws(NetlinkError) in
            var servers: [VirtualServerID: VirtualServerStatus] = [:]
            try socket.request(.getService, flags: .dump, answer: .newService, operation: operation) {
                guard let server = $0.first(CommandAttribute.service).flatMap({ VirtualServerStatus($0) })
                else { return }
                servers[server.server.id] = server
            }
            return servers
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
    /// The kernel finds its way from piece to piece by counting, and does not say if the list has changed in between. A
    /// server that comes twice shows that it has, and the list is read again. That one was passed over since another
    /// left cannot be noticed: it takes somebody else who changes the same virtual server, and more real servers than
    /// fit a piece (about ten in the first).
    ///
    /// - Throws: EPERM without CAP_NET_ADMIN; EINTR if the list does not come to rest.
    public mutating func realServers(of id: VirtualServerID) throws(NetlinkError) -> [RealServerStatus] {
        try untilComplete("listing real servers") { (socket, operation) throws(NetlinkError) in
            var servers: [RealServerStatus] = []
            try socket.request(
                .getDestination, flags: .dump, answer: .newDestination, operation: operation,
                { $0.service(id) },
                onAnswer: {
                    let server = $0.first(CommandAttribute.destination)
                    servers += server.flatMap { RealServerStatus($0, family: id.family) }.map { [$0] } ?? []
                })
            guard Set(servers.map(\.server.id)).count == servers.count else {
                throw NetlinkError(errno: EINTR, operation: operation, message: "it changes all the time")
            }
            return servers
        }
    }

    /// Reads a list again while it is out of date when it is there.
    private mutating func untilComplete<List>(
        _ operation: String, _ dump: (inout IPVSSocket, String) throws(NetlinkError) -> List
    ) throws(NetlinkError) -> List {
        for _ in 0..<8 {
            do {
                return try dump(&self, operation)
            } catch {
                guard error.isStale else { throw error }
            }
        }
        return try dump(&self, operation)
    }
}
