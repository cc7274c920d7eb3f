import Glibc
public import NetAddress

extension NetworkNamespace {
    /// One end of a cable between two namespaces.
    public struct LinkEnd: Sendable {
        /// The interface's name: at most 15 bytes.
        public var interface: String
        public var addresses: [InterfaceAddress]
        /// Routes through the interface, in this order.
        public var routes: [Route]

        public init(_ interface: String, addresses: [InterfaceAddress] = [], routes: [Route] = []) {
            self.interface = interface
            self.addresses = addresses
            self.routes = routes
        }
    }

    /// A route through one interface.
    public struct Route: Sendable {
        public var destination: CIDR
        /// Nil where the destination is a neighbour.
        public var gateway: IPAddress?

        public init(_ destination: CIDR, via gateway: IPAddress? = nil) {
            self.destination = destination
            self.gateway = gateway
        }
    }

    /// One link to another namespace.
    public struct Cable: Sendable {
        public var near: LinkEnd
        public var far: LinkEnd
        public var other: NetworkNamespace

        public init(_ near: LinkEnd, to far: LinkEnd, in other: NetworkNamespace) {
            self.near = near
            self.far = far
            self.other = other
        }
    }

    /// Lays a veth pair to another namespace; traffic may flow when this returns.
    public func connect(_ other: NetworkNamespace, near: LinkEnd, far: LinkEnd) throws {
        try connect([Cable(near, to: far, in: other)])
    }

    /// Lays several, with one process for this namespace and one for each other.
    ///
    /// Addresses are usable at once (`nodad`); link-local ones too, see ``applyDefaults()``.
    public func connect(_ cables: [Cable]) throws {
        let pairs = cables.map {
            "link add name \($0.near.interface) type veth peer name \($0.far.interface) netns \($0.other.path)"
        }
        try ip(pairs + cables.flatMap { Self.commands(for: $0.near) })
        for cable in cables { try cable.other.ip(Self.commands(for: cable.far)) }
        try run { try Links.waitUntilRunning(cables.map(\.near.interface)) }
        for cable in cables { try cable.other.run { try Links.waitUntilRunning([cable.far.interface]) } }
    }

    /// Gives an interface more addresses, and waits until they are good: the kernel finishes IPv6 addresses behind the
    /// caller's back, on a busy machine much later, and until then nobody can bind to them or reach them.
    ///
    /// - Parameter preferred: whether IPv6 may choose them for who does not say where it sends from.
    public func add(_ addresses: [InterfaceAddress], to interface: String, preferred: Bool = true) throws {
        try ip(
            addresses.map { address in
                let options = address.address.family == .ipv6 ? " nodad" + (preferred ? "" : " preferred_lft 0") : ""
                return "address add \(address.address)/\(address.prefixLength) dev \(interface)\(options)"
            })
        let awaited = addresses.filter { $0.address.family == .ipv6 }.map { "local \($0.address) " }
        for _ in 0..<2_000 where !awaited.isEmpty {
            let routes = try tool(["ip", "-6", "route", "show", "table", "local"])
            let tentative = try tool(["ip", "-6", "address", "show", "dev", interface, "tentative"])
            if tentative.isEmpty, awaited.allSatisfy({ routes.contains($0) }) { return }
            usleep(5_000)
        }
    }

    /// Forwards packets of both families.
    public func becomeRouter() throws {
        try sysctl("net.ipv4.ip_forward", "1")
        try sysctl("net.ipv6.conf.all.forwarding", "1")
    }

    /// `ip -batch` knows no `-6`, so default routes are written as prefixes of length 0.
    private static func commands(for end: LinkEnd) -> [String] {
        let up = ["link set \(end.interface) up"]
        let addresses = end.addresses.map { address in
            "addr add \(address.address)/\(address.prefixLength) dev \(end.interface)"
                + (address.address.family == .ipv6 ? " nodad" : "")
        }
        let routes = end.routes.map { route in
            let gateway = route.gateway.map { " via \($0)" } ?? ""
            return "route add \(route.destination)\(gateway) dev \(end.interface)"
        }
        return addresses + up + routes
    }
}
