public import Dataplane
internal import NetAddress
internal import NFTables
internal import ServiceModel
public import ServicePlan

// Plans to kernel objects. Pure: the same plan and options always give the same objects.

extension NFTablesBackend {
    public func skeleton() -> Fragment<ObjectKey, ObjectValue> {
        var fragment = Fragment<ObjectKey, ObjectValue>()
        for family in IPFamily.allCases {
            fragment.objects.append((.table(family), .table(layout.table(family))))
            for name in ChainName.allCases where name.purpose == nil {
                fragment.objects.append((.chain(family, name.rawValue), .chain(name.chain(family))))
                if !name.holdsSharedRules {
                    fragment.objects.append((.rules(family, name.rawValue), .rules(layout.rules(name, family))))
                }
            }
            for role in SetID.Role.allCases where !role.hasParameter {
                let set = SetID(family, role)
                fragment.objects.append((.set(family, set.name), .set(set.definition)))
            }
        }
        return fragment
    }

    public func fragment(for service: PlannedService) -> Fragment<ObjectKey, ObjectValue> {
        let targets = service.frontends.reduce(0) { $0 + $1.treatment.targets.count }
        var collector = FragmentCollector(shared: shared)
        collector.fragment.objects.reserveCapacity(targets * 2 + service.frontends.count * 4)
        lower(service, into: &collector)
        return collector.fragment
    }

    /// Hands every element that a service needs to a collector.
    func lower(_ service: PlannedService, into collector: inout some ElementCollector) {
        var lowering = ServiceLowering(service, shared)
        for pool in service.pools { lowering.add(pool, to: &collector) }
        for frontend in service.frontends { lowering.add(frontend, to: &collector) }
    }
}

/// Takes the objects of services one by one.
protocol ElementCollector {
    mutating func append(_ key: ElementKey, _ value: ElementValue, to set: SetID)
    /// Takes objects that services share. Sets with a parameter, and the rules that look into them, go without saying.
    mutating func need(_ objects: [SharedObjects.Object])
}

/// Makes a fragment of them, with the maps and rules that come and go with their elements.
private struct FragmentCollector: ElementCollector {
    let shared: SharedObjects
    var fragment = Fragment<ObjectKey, ObjectValue>()
    private var lastSet: SetID?

    init(shared: SharedObjects) { self.shared = shared }

    mutating func append(_ key: ElementKey, _ value: ElementValue, to set: SetID) {
        if set.role.hasParameter, set != lastSet {
            lastSet = set
            need(shared.objects(for: set))
        }
        fragment.objects.append((.element(key, set), .element(value)))
    }

    mutating func need(_ objects: [SharedObjects.Object]) { fragment.objects += objects }
}

/// Walks through the pools and frontends of one service.
struct ServiceLowering {
    private let serviceName: String
    let service: PlannedService
    let shared: SharedObjects
    /// Target lists whose hairpin elements are there already: frontends of one port share theirs.
    private var hairpinsDone: [([Target], TransportProtocol)] = []

    init(_ service: PlannedService, _ shared: SharedObjects) {
        serviceName = service.name.description
        self.service = service
        self.shared = shared
    }

    mutating func add(_ frontend: Frontend, to collector: inout some ElementCollector) {
        let isNodePort = frontend.address.ip == nil
        let comment = comment(frontend)
        switch frontend.treatment {
        case .balance(let targets, _): balance(frontend, targets, .outside, &collector)
        case .reject: member(frontend, isNodePort ? .rejectedNodePorts : .rejectedServices, comment, &collector)
        case .drop: member(frontend, isNodePort ? .droppedNodePorts : .droppedServices, comment, &collector)
        }
        if let nodeTreatment = frontend.nodeTreatment {
            balance(frontend, nodeTreatment.targets, .inside, &collector)
            member(frontend, isNodePort ? .nodePortsLocal : .externalLocalServices, comment, &collector)
        } else if !frontend.treatment.targets.isEmpty || mayReturn(frontend) {
            member(frontend, dispatchRole(frontend), comment, &collector)
        }
        number(frontend, comment, &collector)
        guardSources(frontend, comment, &collector)
        tellServing(frontend, &collector)
        if case .clusterIP(let address) = frontend.address {
            var key = ElementKey()
            key.append(address)
            collector.append(key, .member, to: SetID(address.family, .clusterIPs))
        }
    }

    /// Who draws: everybody, or this node's own clients under policy Local.
    enum Drawer {
        case outside, inside
    }

    /// Where a frontend is found that has endpoints and treats everybody alike.
    private func dispatchRole(_ frontend: Frontend) -> SetID.Role {
        switch frontend.address {
        case .clusterIP: .clusterServices
        case .externalIP, .loadBalancerIP: .externalServices
        case .nodePort: .nodePorts
        }
    }

    /// `namespace/name:port`, or without the port where nft's limit of 128 characters for a comment is near.
    private func comment(_ frontend: Frontend) -> String {
        guard !frontend.portName.isEmpty else { return serviceName }
        let full = serviceName + ":" + frontend.portName
        return full.utf8.count < 128 ? full : serviceName
    }

    func key(_ frontend: Frontend) -> ElementKey {
        var key = ElementKey()
        if let ip = frontend.address.ip { key.append(ip) }
        key.append(frontend.transport)
        key.append(port: frontend.port)
        return key
    }

    func member(
        _ frontend: Frontend, _ role: SetID.Role, _ comment: String, _ collector: inout some ElementCollector
    ) {
        collector.append(key(frontend), ElementValue(comment: comment), to: SetID(frontend.address.family, role))
    }

    private mutating func balance(
        _ frontend: Frontend, _ targets: [Target], _ drawer: Drawer, _ collector: inout some ElementCollector
    ) {
        hairpins(targets, frontend.transport, frontend.address.family, &collector)
        // Pools that take turns have the endpoints themselves.
        guard frontend.scheduler != .roundRobin else { return }
        let slots = Self.slots(targets, frontend.scheduler)
        let role = Self.role(frontend, drawer)
        let set = SetID(frontend.address.family, role, slots.count)
        let frontendKey = key(frontend)
        for (slot, target) in slots.enumerated() {
            var key = frontendKey
            key.append(slot: UInt32(truncatingIfNeeded: slot))
            collector.append(key, .endpoint(SocketAddress(target.address, target.port)), to: set)
        }
    }

    private static func slots(_ targets: [Target], _ scheduler: Scheduler) -> [Target] {
        scheduler == .maglev ? MaglevTable.slots(targets) : SlotTable.slots(targets)
    }

    private static func role(_ frontend: Frontend, _ drawer: Drawer) -> SetID.Role {
        let isHashed = frontend.scheduler == .sourceHash || frontend.scheduler == .maglev
        switch (frontend.address.ip == nil, drawer) {
        case (false, .outside): return isHashed ? .hashedEndpoints : .endpoints
        case (true, .outside): return isHashed ? .nodePortHashedEndpoints : .nodePortEndpoints
        case (false, .inside): return isHashed ? .clusterHashedEndpoints : .clusterEndpoints
        case (true, .inside): return isHashed ? .nodePortClusterHashedEndpoints : .nodePortClusterEndpoints
        }
    }

    /// Semantics 22: an endpoint on this node that reaches itself through a service would answer itself directly.
    mutating func hairpins(
        _ targets: [Target], _ transport: TransportProtocol, _ family: IPFamily,
        _ collector: inout some ElementCollector
    ) {
        guard !hairpinsDone.contains(where: { $0.1 == transport && $0.0 == targets }) else { return }
        hairpinsDone.append((targets, transport))
        let set = SetID(family, .hairpin)
        for target in targets where target.mayBeLocal {
            var key = ElementKey()
            key.append(target.address)
            key.append(target.address)
            key.append(transport)
            key.append(port: target.port)
            collector.append(key, .member, to: set)
        }
    }
}
