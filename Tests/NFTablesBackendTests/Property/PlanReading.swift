import NFTables
import NetAddress
import PacketTrace
import ServiceModel
import ServicePlan

/// What the plans say becomes of the first packet of a connection, read as plainly as can be: no tables, no chains, no
/// marks, every question asked of the plans' own types.
struct PlanReading {
    typealias Distribution = [PacketTrace.Outcome: Fraction]

    private struct Place: Hashable {
        var address: IPAddress?
        var family: IPFamily
        var transport: TransportProtocol
        var port: UInt16
    }

    private struct Turnaround: Hashable {
        var address: IPAddress
        var transport: TransportProtocol
        var port: UInt16
    }

    let node: NodeFacts
    /// Which addresses are the node's own.
    let view: NodeView
    private var frontends: [Place: Frontend] = [:]
    private var clusterIPs: Set<IPAddress> = []
    /// Endpoints that may be on this node: whoever says so of one is believed.
    private var turnarounds: Set<Turnaround> = []
    /// Slots of targets that a hash chooses among: large tables are made once.
    private let tables = SlotTables()

    init(_ plans: ServicePlans, node: NodeFacts, view: NodeView) {
        self.node = node
        self.view = view
        for service in plans.services {
            for frontend in service.frontends {
                let address = frontend.address
                frontends[
                    Place(
                        address: address.ip, family: address.family, transport: frontend.transport,
                        port: frontend.port)] = frontend
                if case .clusterIP(let ip) = address { clusterIPs.insert(ip) }
                note(frontend.treatment.targets + (frontend.nodeTreatment?.targets ?? []), frontend.transport)
            }
            for pool in service.pools { note(pool.drained, pool.transport) }
        }
    }

    private mutating func note(_ targets: [Target], _ transport: TransportProtocol) {
        for target in targets where target.mayBeLocal {
            turnarounds.insert(Turnaround(address: target.address, transport: transport, port: target.port))
        }
    }

    func outcomes(of packet: Packet, limits: LimitAssumption) -> Distribution {
        guard let frontend = frontend(packet.destination, packet.transport) else {
            return [refusal(of: packet.destination, packet.transport) ?? .unchanged: .one]
        }
        // Semantics 34: who may not, or has had enough, meets silence, whatever there is behind.
        if !allows(packet.source, frontend) { return [.dropped: .one] }
        if limits == .exceeded, frontend.limits != nil { return [.dropped: .one] }
        let (treatment, isMasqueraded) = treatment(of: packet, frontend)
        switch treatment {
        case .reject: return [.refused: .one]
        case .drop: return [.dropped: .one]
        case .balance(let targets, _):
            var distribution: Distribution = [:]
            for (target, share) in shares(targets, frontend.scheduler, packet.source) {
                distribution[arrival(of: packet, at: target, isMasqueraded), default: .zero] += share
            }
            return distribution
        }
    }

    /// Whether the outcome depends on what somebody has used up.
    func meetsLimit(_ packet: Packet) -> Bool {
        guard let frontend = frontend(packet.destination, packet.transport) else { return false }
        return frontend.limits != nil && allows(packet.source, frontend)
    }

    // MARK: Which frontend

    /// Services' own addresses come first; node ports are served at the node's addresses alone (semantics 5 and 6).
    private func frontend(_ destination: SocketAddress, _ transport: TransportProtocol) -> Frontend? {
        ownFrontend(destination, transport) ?? nodePort(destination, transport)
    }

    private func ownFrontend(_ destination: SocketAddress, _ transport: TransportProtocol) -> Frontend? {
        let address = destination.address
        return frontends[
            Place(address: address, family: address.family, transport: transport, port: destination.port)]
    }

    private func nodePort(_ destination: SocketAddress, _ transport: TransportProtocol) -> Frontend? {
        let (address, port) = (destination.address, destination.port)
        guard view.isLocal(address), !address.isLoopback else { return nil }
        if let blocks = node.nodePortAddresses, !blocks.contains(where: { $0.contains(address) }) { return nil }
        return frontends[Place(address: nil, family: address.family, transport: transport, port: port)]
    }

    private func allows(_ source: IPAddress, _ frontend: Frontend) -> Bool {
        if frontend.deniedSources.contains(where: { $0.contains(source) }) { return false }
        return frontend.allowedSources?.contains { $0.contains(source) } ?? true
    }

    // MARK: Who is treated how

    private func isFromPod(_ packet: Packet) -> Bool {
        if node.clusterCIDRs.contains(where: { $0.contains(packet.source) }) { return true }
        guard case .interface(let name?) = packet.origin else { return false }
        return node.podInterfaces.contains { interface in
            switch interface {
            case .bridge(let bridge): name == bridge
            case .prefix(let start): name.hasPrefix(start)
            }
        }
    }

    /// Semantics 18 to 20.
    private func treatment(of packet: Packet, _ frontend: Frontend) -> (Treatment, isMasqueraded: Bool) {
        let isPod = isFromPod(packet)
        if let inside = frontend.nodeTreatment {
            if isPod { return (inside, false) }
            if view.isLocal(packet.source) { return (inside, true) }
        }
        guard case .balance(_, let masquerade) = frontend.treatment else { return (frontend.treatment, false) }
        switch masquerade {
        case .never: return (frontend.treatment, false)
        case .always: return (frontend.treatment, true)
        case .outsideCluster: return (frontend.treatment, !isPod)
        }
    }

    // MARK: Which endpoint

    private func shares(
        _ targets: [Target], _ scheduler: Scheduler, _ source: IPAddress
    ) -> [(target: Target, share: Fraction)] {
        let slots = tables.slots(targets, isMaglev: scheduler == .maglev)
        if scheduler == .sourceHash || scheduler == .maglev {
            let slot = source.networkBytes.withUnsafeBytes {
                JenkinsHash.slot($0, seed: Field.hashSeed, modulus: UInt32(slots.count))
            }
            return [(slots[Int(slot)], .one)]
        }
        return Dictionary(grouping: slots) { $0 }.map { target, slots in
            (target, Fraction(UInt64(slots.count), UInt64(tables.slots(targets, isMaglev: false).count)) ?? .zero)
        }
    }

    /// Nobody is sent on twice: an endpoint that is itself an address which nothing serves answers nothing.
    private func arrival(of packet: Packet, at target: Target, _ isMasqueraded: Bool) -> PacketTrace.Outcome {
        let destination = SocketAddress(target.address, target.port)
        if let refusal = refusal(of: destination, packet.transport) { return refusal }
        let isRedirected = destination != packet.destination
        // Semantics 22.
        let turnaround = Turnaround(address: packet.source, transport: packet.transport, port: target.port)
        let isTurned = isRedirected && packet.source == target.address && turnarounds.contains(turnaround)
        // What comes from outside and ends on the node leaves by no interface, so that it needs no other source.
        let mayBeMasqueraded = packet.origin == .node || !view.isLocal(target.address)
        let getsNodeSource = (isMasqueraded || isTurned) && mayBeMasqueraded
        return isRedirected || getsNodeSource ? .delivered(to: destination, masqueraded: getsNodeSource) : .unchanged
    }

    // MARK: What is left

    /// What becomes of a packet that nobody sends on: nil if it goes where it is addressed to (semantics 26 and 31).
    private func refusal(of destination: SocketAddress, _ transport: TransportProtocol) -> PacketTrace.Outcome? {
        let address = destination.address
        if let refusal = ownFrontend(destination, transport).flatMap({ refusal($0) }) { return refusal }
        if !view.isLocal(address) {
            if clusterIPs.contains(address) { return .refused }
            // A block of all addresses says nothing about services.
            if node.serviceCIDRs.contains(where: { $0.prefixLength > 0 && $0.contains(address) }) { return .dropped }
        }
        // An endpoint at a port of the node that is a node port too is taken for that.
        return nodePort(destination, transport).flatMap { refusal($0) }
    }

    private func refusal(_ frontend: Frontend) -> PacketTrace.Outcome? {
        switch frontend.treatment {
        case .balance: nil
        case .reject: .refused
        case .drop: .dropped
        }
    }
}

/// Slots by targets, made when they are first asked for.
private final class SlotTables {
    private struct Key: Hashable {
        let targets: [Target]
        let isMaglev: Bool
    }

    private var known: [Key: [Target]] = [:]

    func slots(_ targets: [Target], isMaglev: Bool) -> [Target] {
        let key = Key(targets: targets, isMaglev: isMaglev)
        if let slots = known[key] { return slots }
        let slots = isMaglev ? MaglevTable.slots(targets) : SlotTable.slots(targets)
        known[key] = slots
        return slots
    }
}
