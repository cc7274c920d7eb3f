internal import Dataplane
internal import IPSet
internal import IPVS
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// The objects of one service.
struct ServiceLowering {
    let service: PlannedService
    private(set) var objects: [(key: ObjectKey, value: ObjectValue)] = []

    init(_ service: PlannedService) { self.service = service }

    mutating func lower() {
        for frontend in service.frontends {
            if let ip = frontend.address.ip {
                let family = ip.family
                objects.append((.element(SetID(.addresses, family), .address(ip)), .element(mark: nil, name: nil)))
                objects.append((.address(ip), .present))
                lower(frontend, at: ip, isNodePort: false)
            } else {
                for address in service.nodePortAddresses where address.family == frontend.address.family {
                    lower(frontend, at: address, isNodePort: true)
                }
            }
        }
    }

    /// One address and port, as clients see it.
    private mutating func lower(_ frontend: Frontend, at address: IPAddress, isNodePort: Bool) {
        let place = SetElement.Key.addressPort(address, frontend.transport, frontend.port)
        let name = self.name(frontend)
        func note(_ role: SetRole, named: Bool = false, mark: SetElement.Mark? = nil) {
            let value = ObjectValue.element(mark: mark, name: named ? name : nil)
            objects.append((.element(SetID(role, address.family), place), value))
        }
        restrict(frontend, address)
        let server = VirtualServerID.address(address, frontend.transport, port: frontend.port)
        switch frontend.treatment {
        case .reject:
            note(.refused, named: true)
            serve(server, [], frontend)
        case .drop:
            note(.dropped, named: true)
            serve(server, [], frontend)
        case .balance(let targets, let masquerade):
            switch masquerade {
            // Only what is translated comes back this way.
            case _ where service.virtualServer.forwardingMethod != .masquerade: break
            case .never: break
            case .always: note(.masqueraded)
            case .outsideCluster: note(.clusterIPs)
            }
            serve(server, targets, frontend)
        }
        if case .balance(let targets, _)? = frontend.nodeTreatment, let number = frontend.nodeClientNumber {
            let mark = NodeClientMark.mark(number, frontend.transport)
            note(.nodeClients, named: true, mark: SetElement.Mark(mark))
            serve(.mark(mark, address.family), targets, frontend)
        }
        if isNodePort {
            note(.nodePorts, named: true)
        } else if !frontend.treatment.targets.isEmpty || frontend.nodeTreatment?.targets.isEmpty == false {
            note(.services, named: true)
        }
    }

    /// `shop/web:http cluster IP`: what the kernel has to say whose an address is.
    private func name(_ frontend: Frontend) -> String {
        let kind: FrontendStatus.Kind =
            switch frontend.address {
            case .clusterIP: .clusterIP
            case .externalIP, .loadBalancerIP: .external
            case .nodePort: .nodePort
            }
        return service.name.description + (frontend.portName.isEmpty ? "" : ":" + frontend.portName) + " "
            + kind.rawValue
    }

    /// Semantics 34. The kernel's sets hold no block of everything, which is two halves.
    private mutating func restrict(_ frontend: Frontend, _ address: IPAddress) {
        func list(_ blocks: [CIDR], _ role: SetRole) {
            for block in blocks.flatMap(\.halvesOfEverything) {
                let key = SetElement.Key.addressPortNetwork(address, frontend.transport, frontend.port, block)
                objects.append((.element(SetID(role, address.family), key), .element(mark: nil, name: nil)))
            }
        }
        // A process of the node that asks for an address of the node's own has that address itself.
        func withItself(_ blocks: [CIDR], if isMeant: Bool) -> [CIDR] {
            guard isMeant, let ip = frontend.address.ip, !blocks.contains(where: { $0.contains(ip) }) else {
                return blocks
            }
            return blocks + [CIDR(ip)]
        }
        if let allowed = frontend.allowedSources {
            let place = SetElement.Key.addressPort(address, frontend.transport, frontend.port)
            objects.append((.element(SetID(.restricted, address.family), place), .element(mark: nil, name: nil)))
            list(withItself(allowed, if: frontend.admitsNode == true), .sources)
        }
        let denied = frontend.deniedSources
        list(withItself(denied, if: frontend.admitsNode == false && !denied.isEmpty), .denied)
    }

    /// Without targets there is a virtual server for the sake of older UDP flows alone, whose endpoints still answer
    /// (semantics 41).
    private mutating func serve(_ id: VirtualServerID, _ targets: [Target], _ frontend: Frontend) {
        let others = others(than: targets, frontend)
        guard !targets.isEmpty || !others.isEmpty else { return }
        var server = VirtualServer(id, scheduler: frontend.scheduler.kernelName)
        if let seconds = frontend.pools.flatMap({ affinitySeconds($0) }) { remember(for: seconds, on: &server) }
        let settings = service.virtualServer
        if settings.isOnePacket { server.flags.insert(.onePacket) }
        // A client whose endpoint leaves gets another one.
        if settings.schedulerFlags.contains(.fallback) || [.sourceHash, .maglev].contains(frontend.scheduler) {
            server.flags.insert(.fallback)
        }
        if settings.schedulerFlags.contains(.port) { server.flags.insert(.sourcePort) }
        objects.append((.virtualServer(id), .virtualServer(server)))
        func add(_ address: IPAddress, _ port: UInt16, weight: UInt32) {
            let real = RealServer(
                address, port: port, weight: weight, forwarding: settings.forwardingMethod.kernelMethod)
            objects.append((.realServer(id, real.id), .realServer(real)))
        }
        for target in targets { add(target.address, target.port, weight: UInt32(target.weight)) }
        for other in others { add(other.address, other.port, weight: 0) }
    }

    /// Persistence by mark would not translate the port. The same client then gets the same endpoint by its address.
    private func remember(for seconds: UInt32, on server: inout VirtualServer) {
        if case .mark = server.id {
            server.scheduler = Scheduler.sh.rawValue
            server.flags.insert(.fallback)
        } else {
            server.flags.insert(.persistent)
            server.persistenceTimeout = seconds
        }
    }

    /// Endpoints that still answer older UDP flows, and get no new ones.
    private func others(than targets: [Target], _ frontend: Frontend) -> [ServingEndpoint] {
        guard frontend.transport == .udp, frontend.servingEndpoints.count > targets.count else { return [] }
        let known = Set(targets.map { ServingEndpoint(address: $0.address, port: $0.port) })
        return frontend.servingEndpoints.filter { !known.contains($0) }
    }

    private func affinitySeconds(_ pools: PoolReferences) -> UInt32? {
        service.pools.indices.contains(pools.outside) ? service.pools[pools.outside].affinitySeconds : nil
    }
}

extension ServiceModel.Scheduler {
    /// The kernel has none that draws at random: turns by weight share connections in the same way.
    var kernelName: String {
        switch self {
        case .random, .roundRobin: "wrr"
        case .sourceHash: "sh"
        case .maglev: "mh"
        default: rawValue
        }
    }
}

extension ServiceModel.ForwardingMethod {
    var kernelMethod: IPVS.ForwardingMethod {
        switch self {
        case .masquerade: .masquerade
        case .direct: .direct
        case .tunnel: .tunnel
        }
    }
}

extension CIDR {
    /// The block itself, or the two halves of all addresses.
    fileprivate var halvesOfEverything: [CIDR] {
        guard prefixLength == 0 else { return [self] }
        return (family == .ipv4 ? ["0.0.0.0/1", "128.0.0.0/1"] : ["::/1", "8000::/1"]).compactMap { CIDR($0) }
    }
}
