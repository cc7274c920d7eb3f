internal import Dataplane
internal import NetAddress
internal import RulesetAccess
internal import ServicePlan
internal import XTables

/// The rules that are the same whatever the services are.
struct Layout: Sendable {
    /// What the comment of one rule in each of our chains begins with: by it we know that the chain is ours. No comment
    /// that names a service begins so.
    static let markPrefix = "svcctl: "

    /// The tables that have anything of ours.
    static let tables: [XTTable] = [.nat, .filter]

    let options: LayoutOptions
    /// What leads to each part of each list that is split.
    private let ways: [SharedChain: [IPFamily: [[PartObject]]]]

    typealias PartObject = (key: ObjectKey, value: ObjectValue)

    init(options: LayoutOptions) {
        self.options = options
        var ways: [SharedChain: [IPFamily: [[PartObject]]]] = [:]
        for list in SharedChain.allCases {
            guard let parts = list.parts else { continue }
            for family in IPFamily.allCases {
                ways[list, default: [:]][family] = (0..<SharedChain.partCount).map {
                    Self.way(to: list, $0, parts, family)
                }
            }
        }
        self.ways = ways
    }

    /// The chain of the part that a rule is in, and the rule that leads there; nothing where the list is not split.
    func way(to key: EntryKey) -> [PartObject] {
        guard let parts = ways[key.list]?[key.family] else { return [] }
        return parts[SharedChain.part(of: key.address)]
    }

    private static func way(
        to list: SharedChain, _ part: Int, _ parts: SharedChain, _ family: IPFamily
    ) -> [PartObject] {
        let name = list.chainName(part: part)
        let bits = UInt8(truncatingIfNeeded: part)
        let rule = XTRule([.destinationLowBits(bits, count: SharedChain.partBits)], .jump(name))
        return [
            (.chain(family, list.table, name), .chain([.known(XTRule([mark("no other of these addresses")]))])),
            (.entry(EntryKey(family, parts, nil, nil, UInt16(bits))), .rule(.known(rule))),
        ]
    }

    /// A comment that says that a chain is ours.
    static func mark(_ text: String) -> XTMatch { .comment(markPrefix + text) }

    /// Where base chains lead to us. New connections alone have anything to ask in `filter` (semantics 28); chains of
    /// `nat` see no others.
    static let jumps: [(table: XTTable, base: String, rule: XTRule)] = [
        (.nat, "PREROUTING", XTRule([mark("services")], .jump(ChainName.Fixed.services.rawValue))),
        (.nat, "OUTPUT", XTRule([mark("services")], .jump(ChainName.Fixed.services.rawValue))),
        (.nat, "POSTROUTING", XTRule([mark("masquerading")], .jump(ChainName.Fixed.postrouting.rawValue))),
        (.filter, "INPUT", refusals), (.filter, "FORWARD", refusals), (.filter, "OUTPUT", refusals),
    ]

    private static let refusals = XTRule(
        [.connectionIsNew, mark("what nothing serves")], .jump(ChainName.Fixed.filter.rawValue))

    /// The chains, each with the rules that belong to it alone. In shared chains services' rules come before them.
    func chains(_ family: IPFamily) -> [(table: XTTable, name: ChainName.Fixed, rules: [XTRule])] {
        let nodePorts = nodePorts(family)
        return [
            (
                .nat, .services,
                [XTRule([Self.mark("node ports come last")])] + nodePorts
            ),
            (.nat, .nodePorts, [XTRule([Self.mark("no other node ports")])]),
            (.nat, .postrouting, postrouting),
        ] + (marksOutsiders(family) ? [(.nat, .outside, outside(family))] : []) + [
            (.filter, .filter, filter(family, nodePorts: nodePorts)),
            (.filter, .services, [XTRule([Self.mark("all else is served")])]),
            (.filter, .clusterIPs, [XTRule([Self.mark("no other cluster IPs")])]),
            (.filter, .nodePorts, [XTRule([Self.mark("all else is served")])]),
        ]
    }

    // MARK: - Marks

    private var bit: UInt32 { 1 << UInt32(options.masqueradeBit & 31) }

    /// What is marked is masqueraded on its way out.
    var marking: XTTarget { .setMark(bit, mask: bit) }

    /// Whether pods' connections to cluster IPs must be told from others' (semantics 18).
    func marksOutsiders(_ family: IPFamily) -> Bool { !options.node.masqueradeAll && !fromPods(family).isEmpty }

    private func outside(_ family: IPFamily) -> [XTRule] {
        let pods = fromPods(family).map { XTRule($0, .return) }
        return pods + [XTRule([Self.mark("not from a pod")], marking)]
    }

    /// Matches packets from pods, one match for each block of their addresses and each interface.
    func fromPods(_ family: IPFamily) -> [[XTMatch]] { options.node.podTraffic(family) }

    /// Semantics 22 to 24: who is sent to itself, and who is marked. The bit is cleared, since an encapsulated packet
    /// comes by once more.
    private var postrouting: [XTRule] {
        let isNotMarked = XTMatch.mark(bit, mask: bit, inverted: true)
        return [
            XTRule(
                [
                    isNotMarked, .connectionIsRedirected, .sourceIsDestination,
                    Self.mark("an endpoint that meets itself"),
                ],
                .masquerade(isRandom: true)),
            XTRule([isNotMarked], .return),
            XTRule([], .setMark(0, mask: bit)),
            XTRule([], .masquerade(isRandom: true)),
        ]
    }

    // MARK: - Node ports

    /// One rule for each block of node-port addresses. Asking the routing table what is local follows the node's
    /// addresses by itself; blocks of one family open nothing in the other (semantics 5 to 7).
    private func nodePorts(_ family: IPFamily) -> [XTRule] {
        let leading = XTTarget.goto(ChainName.Fixed.nodePorts.rawValue)
        let isLocal = XTMatch.addressType(source: false, isLocal: true)
        let loopback: CIDR? = CIDR(family == .ipv4 ? "127.0.0.0/8" : "::1/128")
        guard let loopback else { return [] }
        guard let blocks = options.node.nodePortAddresses?.filter({ $0.family == family }).sorted() else {
            return [XTRule([.destination(loopback, inverted: true), isLocal], leading)]
        }
        // A rule names one block of destinations, so that loopback needs a rule of its own.
        return blocks.isEmpty
            ? []
            : [XTRule([.destination(loopback)], .return)] + blocks.map { XTRule([.destination($0), isLocal], leading) }
    }

    // MARK: - What nothing serves

    /// What is left of new connections to services here found no endpoint. An address of the node's own is never refused
    /// as a whole (semantics 26 to 31).
    private func filter(_ family: IPFamily, nodePorts: [XTRule]) -> [XTRule] {
        let isForeign = XTMatch.addressType(source: false, isLocal: false)
        let unallocated = options.node.serviceCIDRs.filter { $0.family == family && $0.prefixLength > 0 }.sorted()
        return [
            XTRule([.connectionIsRedirected, Self.mark("what was redirected is served")], .return),
            XTRule([], .jump(ChainName.Fixed.services.rawValue)),
            XTRule([], .jump(ChainName.Fixed.clusterIPs.rawValue)),
        ] + unallocated.map { XTRule([.destination($0), isForeign], .drop) } + nodePorts
    }
}
