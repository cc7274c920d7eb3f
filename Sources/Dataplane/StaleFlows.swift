public import NetAddress
public import ServicePlan

/// An address and UDP port of ours that clients send to.
public struct UDPFrontend: Hashable, Sendable {
    public let family: IPFamily
    /// Nil for a node port, which is served on many addresses.
    public let address: IPAddress?
    /// In host order.
    public let port: UInt16

    /// A cluster IP, an external IP or a load-balancer IP.
    public init(address: IPAddress, port: UInt16) {
        family = address.family
        self.address = address
        self.port = port
    }

    /// A node port.
    public init(nodePort: UInt16, family: IPFamily) {
        self.family = family
        address = nil
        port = nodePort
    }

    /// What a planned frontend is to UDP flows; nil if it is for another protocol.
    public init?(_ frontend: Frontend) {
        guard frontend.transport == .udp else { return nil }
        family = frontend.address.family
        address = frontend.address.ip
        port = frontend.port
    }
}

/// UDP frontends, and for each the endpoints that its flows may go to. One that serves nobody has none.
public typealias ServingEndpoints = [UDPFrontend: Set<SocketEndpoint>]

extension ServicePlans {
    /// The UDP frontends of all services, each with every endpoint that answers (semantics 41).
    public var udpFrontends: ServingEndpoints {
        var frontends: ServingEndpoints = [:]
        for service in services {
            for frontend in service.frontends {
                guard let key = UDPFrontend(frontend) else { continue }
                frontends[key] = Set(
                    frontend.servingEndpoints.map { SocketEndpoint(address: $0.address, port: $0.port) })
            }
        }
        return frontends
    }
}

/// Decides which UDP entries of connection tracking must go after a change of the rules (semantics 41 to 45).
///
/// Rules see only the first packet of a flow. The kernel remembers where it went, and a client that keeps sending from
/// one port keeps that memory alive for ever, though the endpoint be gone. So entries that lead elsewhere than to an
/// endpoint that answers are deleted, and the next packet meets the new rules. This must come after the rules are in
/// place: until then, the next packet would make the same entry again.
///
/// TCP flows are nobody's business here: they end by themselves, and their clients notice.
public struct StaleFlows: Sendable {
    private let changed: ServingEndpoints
    private let unchanged: Set<UDPFrontend>
    private let nodeAddresses: Set<IPAddress>?
    private let unprovoked: Set<UDPFrontend>

    /// - Parameters:
    ///   - changed: the frontends whose flows may be stale, with the endpoints that answer for them now; none for a
    ///     frontend that is gone.
    ///   - unchanged: other addresses of ours. A flow to one of them is right, also where it has the port of a node
    ///     port that changed.
    ///   - nodeAddresses: the addresses on which this node answers node ports; nil if they are not known.
    ///   - unprovoked: those of `changed` that are looked at although nothing is known to have changed. Flows to node ports
    ///     among them count only if they were sent to one of `nodeAddresses`, so that what others translate on its way
    ///     through this node is left alone.
    ///
    /// Node ports are recognised by their number alone, since a node's addresses come and go while flows to them live
    /// on. But that number may also be the port of a stranger's server, whose packets this node forwards or whose
    /// clients run here, and such flows must not be touched. They differ from ours in that nobody translates them: the
    /// reply comes from the very address and port that was asked. The same is true of a flow that is older than our
    /// rules, or was made while the node port had no endpoint, but that one was sent to this node itself. So an
    /// untranslated flow to a node port is stale only if its destination is among `nodeAddresses`, and never if those
    /// are not known: to leave a flow of ours alone is an error that its client can end, to cut off strangers is not.
    public init(
        changed: ServingEndpoints, unchanged: Set<UDPFrontend> = [], nodeAddresses: Set<IPAddress>?,
        unprovoked: Set<UDPFrontend> = []
    ) {
        self.changed = changed
        self.unchanged = unchanged
        self.nodeAddresses = nodeAddresses
        self.unprovoked = unprovoked
    }

    /// What a change of the frontends makes stale.
    ///
    /// A frontend that only gained endpoints has no stale flows, unless it had none before: flows of that time were not
    /// translated.
    public init(from old: ServingEndpoints, to new: ServingEndpoints, nodeAddresses: Set<IPAddress>?) {
        var changed: ServingEndpoints = [:]
        var unchanged: Set<UDPFrontend> = []
        for (frontend, serving) in new {
            if let before = old[frontend], before.isSubset(of: serving), before.isEmpty == serving.isEmpty {
                unchanged.insert(frontend)
            } else {
                changed[frontend] = serving
            }
        }
        for frontend in old.keys where new[frontend] == nil { changed[frontend] = [] }
        self.init(changed: changed, unchanged: unchanged, nodeAddresses: nodeAddresses)
    }

    /// Whether no flow can be stale, so that nobody need look.
    public var isEmpty: Bool { changed.isEmpty }

    /// The families in which a flow can be stale.
    public var families: Set<IPFamily> { Set(changed.keys.map(\.family)) }

    /// Whether a UDP flow must go: it is ours, and leads elsewhere than to an endpoint that answers.
    ///
    /// - Parameters:
    ///   - destination: where the first packet was sent to.
    ///   - replySource: where answers come from, as the kernel expects them; the same as `destination` if the flow is
    ///     not translated.
    public func isStale(destination: SocketEndpoint, replySource: SocketEndpoint) -> Bool {
        let address = destination.address
        let frontend = UDPFrontend(address: address, port: destination.port)
        if let serving = changed[frontend] { return !serving.contains(replySource) }
        let nodePort = UDPFrontend(nodePort: destination.port, family: address.family)
        guard let serving = changed[nodePort], !unchanged.contains(frontend) else { return false }
        // Node ports are not served on loopback addresses (semantics 6).
        guard !address.isLoopback, !serving.contains(replySource) else { return false }
        if nodeAddresses?.contains(address) ?? false { return true }
        return replySource != destination && !unprovoked.contains(nodePort)
    }
}
