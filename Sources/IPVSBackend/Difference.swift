public import Dataplane
internal import IPSet
internal import IPVS
internal import Links
internal import NetAddress
internal import XTables

extension IPVSBackend {
    public static func differences(in state: borrowing DeltaTracker<ObjectKey, ObjectValue>) -> [DifferenceLine] {
        var found: [(place: DifferencePlace, lines: [DifferenceLine])] = []
        state.forEachDifference { key, desired, observed in
            found.append((DifferencePlace(key), lines(key, desired, observed)))
        }
        return found.sorted { $0.place < $1.place }.flatMap(\.lines)
    }

    private static func lines(_ key: ObjectKey, _ desired: ObjectValue?, _ observed: ObjectValue?) -> [DifferenceLine] {
        if case .chain(let family, let table, let name) = key {
            return chainLines(family, table, name, desired, observed)
        }
        if key == .device, observed != nil, desired != nil {
            return [DifferenceLine(change: .add, object: "ip link set dev \(Layout.device) arp off up")]
        }
        return (observed.map { text(key, $0) } ?? []).map { DifferenceLine(change: .remove, object: $0) }
            + (desired.map { text(key, $0) } ?? []).map { DifferenceLine(change: .add, object: $0) }
    }

    /// A chain that is there in part shows the rules that differ.
    private static func chainLines(
        _ family: IPFamily, _ table: XTTable, _ name: String, _ desired: ObjectValue?, _ observed: ObjectValue?
    ) -> [DifferenceLine] {
        let chain = DifferenceLine(
            change: desired == nil ? .remove : .add, object: "\(command(family, table)) -N \(name)")
        let rules = desired.rules.difference(from: observed.rules).map { change in
            switch change {
            case .remove(_, let rule, _): DifferenceLine(change: .remove, object: text(rule, family, table, name))
            case .insert(_, let rule, _): DifferenceLine(change: .add, object: text(rule, family, table, name))
            }
        }
        if observed == nil { return [chain] + rules }
        return desired == nil ? rules + [chain] : rules
    }

    private static func command(_ family: IPFamily, _ table: XTTable) -> String {
        "\(family == .ipv4 ? "iptables" : "ip6tables") -t \(table.rawValue)"
    }

    private static func text(_ rule: ChainRule, _ family: IPFamily, _ table: XTTable, _ chain: String) -> String {
        let text = rule.text(family)
        return "\(command(family, table)) -A \(chain)\(text.isEmpty ? "" : " ")\(text)"
    }

    /// An object as one would write it in a command that makes it.
    private static func text(_ key: ObjectKey, _ value: ObjectValue) -> [String] {
        switch (key, value) {
        case (.device, _): ["ip link add \(Layout.device) type dummy"]
        case (.address(let address), _):
            ["ip address add \(address)/\(address.family.addressBits) dev \(Layout.device)"]
        case (.set(let id), .set(let spec)) where spec.name == id.name: ["ipset " + spec.text]
        case (.set(let id), _): ["ipset create \(id.name) (of another form)"]
        case (.element(let id, let element), .element(let mark, let name)):
            ["ipset " + SetOperation.add(SetElement(element, mark: mark, comment: name), to: id.name).text]
        case (.strayElements(let id), _): ["ipset add \(id.name) (elements that svcctl does not make)"]
        case (.jump(let family, let table, let chain), .rules(let rules)),
            (.strayRule(let family, let table, let chain, _), .rules(let rules)):
            rules.map { text($0, family, table, chain) }
        case (_, .virtualServer(let server)): ["ipvsadm \(IPVSOperation.addVirtual(server))"]
        case (.realServer(let id, _), .realServer(let real)): ["ipvsadm \(IPVSOperation.addReal(real, to: id))"]
        default: []
        }
    }
}

/// The order in which differences are listed: that in which they are made.
private struct DifferencePlace: Comparable {
    private let kind: Int
    private var name = ""
    private var address: IPAddress?
    private var element: SetElement.Key?
    private var server: VirtualServerID?
    private var real: RealServerID?
    private var handle: UInt64 = 0

    init(_ key: ObjectKey) {
        switch key {
        case .set(let id): (kind, name) = (0, id.name)
        case .strayElements(let id): (kind, name) = (1, id.name)
        case .element(let id, let element): (kind, name, self.element) = (1, id.name, element)
        case .chain(let family, let table, let chain): (kind, name) = (2, "\(family) \(table.rawValue) \(chain)")
        case .jump(let family, let table, let chain): (kind, name) = (3, "\(family) \(table.rawValue) \(chain)")
        case .strayRule(let family, let table, let chain, let handle):
            (kind, name, self.handle) = (3, "\(family) \(table.rawValue) \(chain)", handle)
        case .device: kind = 4
        case .address(let address): (kind, self.address) = (5, address)
        case .virtualServer(let id): (kind, server) = (6, id)
        case .realServer(let id, let real): (kind, server, self.real) = (6, id, real)
        }
    }

    static func < (left: DifferencePlace, right: DifferencePlace) -> Bool {
        if left.kind != right.kind { return left.kind < right.kind }
        if left.name != right.name { return left.name < right.name }
        if let one = left.address, let other = right.address, one != other { return one < other }
        if left.element != right.element { return precedes(left.element, right.element) }
        if let one = left.server, let other = right.server, one != other { return one < other }
        if left.real != right.real { return precedes(left.real, right.real) }
        return left.handle < right.handle
    }

    /// Nothing comes before something.
    private static func precedes<Value: Comparable>(_ left: Value?, _ right: Value?) -> Bool {
        switch (left, right) {
        case (let one?, let other?): one < other
        case (nil, _?): true
        default: false
        }
    }
}
