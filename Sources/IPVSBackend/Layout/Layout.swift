internal import Dataplane
internal import IPSet
internal import NetAddress
internal import RulesetAccess
internal import ServicePlan
internal import XTables

/// The rules that are the same whatever the services are. What services need stands in sets.
struct Layout: Sendable {
    /// The interface that has the service addresses, and by which we know that they are ours.
    static let device = ServiceDevice.name
    static let deviceAlias = "svcctl: service addresses"
    /// What the comment of one rule in each of our chains begins with: by it we know that the chain is ours.
    static let markPrefix = "svcctl: "
    /// The tables that have anything of ours.
    static let tables: [XTTable] = [.mangle, .nat, .filter]

    let options: LayoutOptions

    static func mark(_ text: String) -> XTMatch { .comment(markPrefix + text) }

    /// Where base chains lead to us. New connections alone have anything to ask (semantics 28).
    static let jumps: [(table: XTTable, base: String, rule: XTRule)] = [
        (.mangle, "PREROUTING", jump("services", .services)), (.mangle, "OUTPUT", jump("services", .services)),
        (.nat, "POSTROUTING", XTRule([mark("masquerading")], .jump(ChainName.postrouting.rawValue))),
        (.filter, "INPUT", jump("what nothing serves", .filter)),
        (.filter, "FORWARD", jump("what nothing serves", .filter)),
        (.filter, "OUTPUT", jump("what nothing serves", .filter)),
    ]

    private static func jump(_ text: String, _ chain: ChainName) -> XTRule {
        XTRule([.connectionIsNew, mark(text)], .jump(chain.rawValue))
    }

    func chains(_ family: IPFamily) -> [(table: XTTable, name: ChainName, rules: [XTRule])] {
        [(.mangle, .services, services(family)), (.mangle, .nodeClients, nodeClients(family))]
            + (marksOutsiders(family) ? [(.mangle, .outside, outside(family))] : [])
            + [(.nat, .postrouting, postrouting(family)), (.filter, .filter, filter(family))]
    }

    // MARK: - Before IPVS: mangle

    /// Both ways to IPVS, from the network and from the node's own processes, come by here before it (semantics 34).
    private func services(_ family: IPFamily) -> [XTRule] {
        let isNodeClient = isIn(.nodeClients, family)
        let nodeClients = XTTarget.goto(ChainName.nodeClients.rawValue)
        return [
            XTRule([.set(name(.denied, family), Self.fromSource)], .drop),
            XTRule(
                [
                    isIn(.restricted, family),
                    .set(name(.sources, family), Self.fromSource, inverted: true),
                ], .drop),
            XTRule([.addressType(source: true, isLocal: true), isNodeClient], nodeClients),
        ] + options.node.podTraffic(family).map { XTRule($0 + [isNodeClient], nodeClients) } + [
            XTRule([isIn(.dropped, family)], .drop),
            XTRule([isIn(.masqueraded, family), Self.mark("masquerade")], marking),
        ]
            + (marksOutsiders(family)
                ? [XTRule([isIn(.clusterIPs, family)], .jump(ChainName.outside.rawValue))] : [])
    }

    /// The mark is all that the virtual server is found by.
    private func nodeClients(_ family: IPFamily) -> [XTRule] {
        let name = name(.nodeClients, family)
        return [
            XTRule([Self.mark("to all endpoints")], .mapMark(set: name, Self.toDestination))
        ]
    }

    private func outside(_ family: IPFamily) -> [XTRule] {
        options.node.podTraffic(family).map { XTRule($0, .return) } + [XTRule([Self.mark("not from a pod")], marking)]
    }

    // MARK: - Behind IPVS: nat

    /// Semantics 22 to 24. A process of the node's that talks to a service address has that address itself, and must be
    /// given another one. Marks have done their work and are taken back, since an encapsulated packet comes by once more.
    private func postrouting(_ family: IPFamily) -> [XTRule] {
        let isBalanced = XTMatch.ipvs(IPVSMatch())
        let isNotMarked = XTMatch.mark(bit, mask: bit, inverted: true)
        let masquerade = XTTarget.masquerade(isRandom: true)
        return [
            XTRule(
                [isBalanced, .mark(NodeClientMark.space, mask: NodeClientMark.spaceMask)],
                .setMark(0, mask: .max)),
            XTRule(
                [isBalanced, isNotMarked, .sourceIsDestination, Self.mark("an endpoint that meets itself")], masquerade),
            XTRule([isBalanced, isNotMarked, .set(name(.addresses, family), [.source])], masquerade),
            XTRule([isNotMarked], .return),
            XTRule([], .setMark(0, mask: bit)),
            XTRule([], masquerade),
        ]
    }

    // MARK: - What nothing serves: filter

    /// From the network this comes before IPVS; what the node's own processes ask for IPVS has seen already. Service
    /// addresses are the node's own, and what listens on all of its addresses would be reached by them (semantics 32).
    private func filter(_ family: IPFamily) -> [XTRule] {
        let isForeign = XTMatch.addressType(source: false, isLocal: false)
        let unallocated = options.node.serviceCIDRs.filter { $0.family == family && $0.prefixLength > 0 }.sorted()
        return [
            XTRule([isIn(.services, family), Self.mark("what is served")], .return),
            XTRule([isIn(.refused, family)], .reject),
        ]
            + TransportProtocol.allCases.map {
                XTRule([.transport($0), .set(name(.addresses, family), [.destination])], .reject)
            } + unallocated.map { XTRule([.destination($0), isForeign], .drop) }
    }

    // MARK: - Parts

    private static let toDestination: [SetDirection] = [.destination, .destination]
    private static let fromSource: [SetDirection] = [.destination, .destination, .source]

    private func name(_ role: SetRole, _ family: IPFamily) -> String { SetID(role, family).name }

    private func isIn(_ role: SetRole, _ family: IPFamily) -> XTMatch {
        .set(name(role, family), Self.toDestination)
    }

    private var bit: UInt32 { 1 << UInt32(options.masqueradeBit & 31) }
    private var marking: XTTarget { .setMark(bit, mask: bit) }

    /// Whether pods' connections to cluster IPs must be told from others' (semantics 18).
    private func marksOutsiders(_ family: IPFamily) -> Bool {
        !options.node.masqueradeAll && !options.node.podTraffic(family).isEmpty
    }
}
