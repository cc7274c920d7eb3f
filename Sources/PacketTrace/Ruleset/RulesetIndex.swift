internal import NFTables
internal import NetAddress

/// A table, made ready for look-ups by name.
struct TableIndex: Sendable {
    let table: Table
    let chains: [String: (chain: Chain, rules: [Rule])]
    let sets: [String: SetIndex]
    /// The chains' names as they were made.
    private let order: [String]

    init(_ content: Ruleset.Content) {
        table = content.table
        order = content.chains.map(\.chain.name)
        chains = Dictionary(
            content.chains.map { ($0.chain.name, ($0.chain, $0.rules)) }, uniquingKeysWith: { first, _ in first })
        sets = Dictionary(
            content.sets.map { ($0.definition.name, SetIndex($0.definition, $0.elements)) },
            uniquingKeysWith: { first, _ in first })
    }

    /// `NFT_TABLE_F_DORMANT` (linux/netfilter/nf_tables.h).
    var isDormant: Bool { table.flags & 1 != 0 }

    /// The chains that a hook calls, in the order in which they were made.
    func baseChains(_ point: Chain.Point) -> [(Chain, Chain.Hook)] {
        order.compactMap { name in
            guard let chain = chains[name]?.chain, let hook = chain.hook, hook.point == point else { return nil }
            return (chain, hook)
        }
    }
}

/// Something that the packet path calls at a hook.
enum HookEntry: Sendable {
    /// The chains of destination or source NAT. They run one after another, until one decides, and once for a connection.
    case translation([(table: TableIndex, chain: Chain)])
    case filter(TableIndex, Chain)
    /// Connection tracking gets to see the packet.
    case tracking
}

struct RulesetIndex: Sendable {
    private struct Hook: Hashable {
        let point: Chain.Point
        let family: IPFamily
    }

    private var hooks: [Hook: [HookEntry]] = [:]

    /// Whether a rule asks which interface a packet comes through; loopback does not count, since nothing else comes
    /// through it than what is known to.
    let asksForInterfaces: Bool

    init(_ ruleset: Ruleset) {
        asksForInterfaces = ruleset.tables.contains {
            $0.chains.contains { $0.rules.contains(where: Self.asksForInterface) }
        }
        let tables = ruleset.tables.map(TableIndex.init)
        for point in Chain.Point.allCases {
            for family in IPFamily.allCases {
                hooks[Hook(point: point, family: family)] = Self.entries(tables, point, family)
            }
        }
    }

    private static func asksForInterface(_ rule: Rule) -> Bool {
        var wasLoaded = false
        for expression in rule.expressions {
            switch expression {
            case .meta(.inputInterfaceName, _): wasLoaded = true
            case .compare(_, _, let bytes) where wasLoaded: return bytes != PacketState.interfaceBytes("lo")
            default: break
            }
        }
        return wasLoaded
    }

    /// Everything that a hook calls, in its order.
    func entries(_ point: Chain.Point, _ family: IPFamily) -> [HookEntry] {
        hooks[Hook(point: point, family: family)] ?? []
    }

    /// Connection tracking has priority -200 (`NF_IP_PRI_CONNTRACK`). All NAT chains of a hook run where the kernel has its
    /// NAT, whatever their own priority: -100 for destinations (`NF_IP_PRI_NAT_DST`), 100 for sources
    /// (`NF_IP_PRI_NAT_SRC`); their priorities order them among themselves. Of two chains with the same priority, the
    /// later made runs first. Connections are taken to be tracked, as they are where any rule asks for NAT or for `ct`.
    private static func entries(_ tables: [TableIndex], _ point: Chain.Point, _ family: IPFamily) -> [HookEntry] {
        var found: [(priority: Int32, entry: HookEntry)] = []
        var translating: [(priority: Int32, table: TableIndex, chain: Chain)] = []
        for table in tables where table.table.family == family && !table.isDormant {
            for (chain, hook) in table.baseChains(point) {
                if hook.kind == .nat {
                    translating.insert((hook.priority, table, chain), at: 0)
                } else {
                    found.insert((hook.priority, .filter(table, chain)), at: 0)
                }
            }
        }
        let chains = translating.enumerated().sorted {
            ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset)
        }
        .map { (table: $0.element.table, chain: $0.element.chain) }
        // Forwarded packets meet no NAT between their routing decision and the way out.
        if point != .forward { found.append((point.natPriority, .translation(chains))) }
        if point == .prerouting || point == .output { found.insert((-200, .tracking), at: 0) }
        return found.enumerated().sorted { ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset) }
            .map(\.element.entry)
    }
}

extension Chain.Point {
    /// Whether NAT changes destinations here; it changes sources at the other hooks.
    var translatesDestinations: Bool { self == .prerouting || self == .output }

    /// `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC` (linux/netfilter_ipv4.h).
    var natPriority: Int32 { translatesDestinations ? -100 : 100 }
}
