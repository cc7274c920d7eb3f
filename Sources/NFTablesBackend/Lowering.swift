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
            fragment.objects.append((.table(family), .table(Layout.table(family))))
            for name in ChainName.allCases {
                fragment.objects.append((.chain(family, name.rawValue), .chain(name.chain(family))))
                if !name.isPicking {
                    fragment.objects.append((.rules(family, name.rawValue), .rules(layout.rules(name, family))))
                }
            }
            for role in SetID.Role.allCases where !role.hasSlots {
                let set = SetID(family, role)
                fragment.objects.append((.set(family, set.name), .set(set.definition)))
            }
        }
        return fragment
    }

    public func fragment(for service: PlannedService) -> Fragment<ObjectKey, ObjectValue> {
        let targets = service.frontends.reduce(0) { $0 + $1.treatment.targets.count }
        var collector = FragmentCollector(slotObjects: slotObjects)
        collector.fragment.objects.reserveCapacity(targets * 2 + service.frontends.count * 4)
        lower(service, into: &collector)
        return collector.fragment
    }

    /// Hands every element that a service needs to a collector.
    func lower(_ service: PlannedService, into collector: inout some ElementCollector) {
        var lowering = ServiceLowering(service)
        for frontend in service.frontends { lowering.add(frontend, to: &collector) }
    }
}

/// Takes the elements of services one by one.
protocol ElementCollector {
    mutating func append(_ key: ElementKey, _ value: ElementValue, to set: SetID)
}

/// Makes a fragment of them, with the maps and rules that come and go with their elements.
private struct FragmentCollector: ElementCollector {
    let slotObjects: SlotObjects
    var fragment = Fragment<ObjectKey, ObjectValue>()
    private var lastMap: SetID?

    init(slotObjects: SlotObjects) { self.slotObjects = slotObjects }

    mutating func append(_ key: ElementKey, _ value: ElementValue, to set: SetID) {
        if set.role.hasSlots, set != lastMap {
            lastMap = set
            fragment.objects += slotObjects.objects(for: set)
        }
        fragment.objects.append((.element(key, set), .element(value)))
    }
}

/// Walks through the frontends of one service.
private struct ServiceLowering {
    private let serviceName: String
    /// Target lists whose hairpin elements are there already: frontends of one port share theirs.
    private var hairpinsDone: [([Target], TransportProtocol)] = []

    init(_ service: PlannedService) { serviceName = service.name.description }

    mutating func add(_ frontend: Frontend, to collector: inout some ElementCollector) {
        let isNodePort = frontend.address.ip == nil
        let comment = comment(frontend)
        switch frontend.treatment {
        case .balance(let targets, _):
            balance(frontend, targets, isNodePort ? .nodePortEndpoints : .endpoints, &collector)
        case .reject: member(frontend, isNodePort ? .rejectedNodePorts : .rejectedServices, comment, &collector)
        case .drop: member(frontend, isNodePort ? .droppedNodePorts : .droppedServices, comment, &collector)
        }
        if let nodeTreatment = frontend.nodeTreatment {
            balance(
                frontend, nodeTreatment.targets, isNodePort ? .nodePortClusterEndpoints : .clusterEndpoints, &collector)
            member(frontend, isNodePort ? .nodePortsLocal : .externalLocalServices, comment, &collector)
        } else if !frontend.treatment.targets.isEmpty {
            member(frontend, dispatchRole(frontend), comment, &collector)
        }
        if let allowed = frontend.allowedSources { restrict(frontend, to: allowed, &collector) }
        if case .clusterIP(let address) = frontend.address {
            var key = ElementKey()
            key.append(address)
            collector.append(key, .member, to: SetID(address.family, .clusterIPs))
        }
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

    private func key(_ frontend: Frontend) -> ElementKey {
        var key = ElementKey()
        if let ip = frontend.address.ip { key.append(ip) }
        key.append(frontend.transport)
        key.append(port: frontend.port)
        return key
    }

    private func member(
        _ frontend: Frontend, _ role: SetID.Role, _ comment: String, _ collector: inout some ElementCollector
    ) {
        collector.append(key(frontend), ElementValue(comment: comment), to: SetID(frontend.address.family, role))
    }

    /// Semantics 34: the address is closed but for those in the list.
    private func restrict(_ frontend: Frontend, to allowed: [CIDR], _ collector: inout some ElementCollector) {
        let family = frontend.address.family
        collector.append(key(frontend), .member, to: SetID(family, .restrictedServices))
        for block in allowed {
            var (start, end) = (key(frontend), key(frontend))
            start.append(block.address)
            end.append(block.lastAddress)
            collector.append(start, .range(end: end), to: SetID(family, .sourceRanges))
        }
    }

    private mutating func balance(
        _ frontend: Frontend, _ targets: [Target], _ role: SetID.Role, _ collector: inout some ElementCollector
    ) {
        let slots = SlotTable.slots(targets)
        let set = SetID(frontend.address.family, role, slots: slots.count)
        let frontendKey = key(frontend)
        for (slot, target) in slots.enumerated() {
            var key = frontendKey
            key.append(slot: UInt32(truncatingIfNeeded: slot))
            collector.append(key, .endpoint(SocketAddress(target.address, target.port)), to: set)
        }
        hairpins(targets, frontend, &collector)
    }

    /// Semantics 22: an endpoint on this node that reaches itself through a service would answer itself directly.
    private mutating func hairpins(
        _ targets: [Target], _ frontend: Frontend, _ collector: inout some ElementCollector
    ) {
        guard !hairpinsDone.contains(where: { $0.1 == frontend.transport && $0.0 == targets }) else { return }
        hairpinsDone.append((targets, frontend.transport))
        let set = SetID(frontend.address.family, .hairpin)
        for target in targets where target.mayBeLocal {
            var key = ElementKey()
            key.append(target.address)
            key.append(target.address)
            key.append(frontend.transport)
            key.append(port: target.port)
            collector.append(key, .member, to: set)
        }
    }
}
