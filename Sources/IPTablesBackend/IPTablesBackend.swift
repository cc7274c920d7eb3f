public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import RulesetAccess
public import ServicePlan
internal import XTables

/// Programs the chains of iptables by netlink: NAT and refusals in the tables `nat` and `filter`, beside everybody
/// else's rules, as iptables-nft keeps them.
///
/// Lowering is pure and needs no kernel; the socket is opened by the first method that does.
public struct IPTablesBackend: NodeBackend, ~Copyable {
    public typealias Key = ObjectKey
    public typealias Value = ObjectValue

    public static var name: String { "iptables" }

    let layout: Layout
    var session = RulesetSession()
    /// What the last observation found, as far as changes must refer to it.
    var kernel = KernelMemory()

    public init(options: LayoutOptions) { layout = Layout(options: options) }

    public func skeleton() -> Fragment<ObjectKey, ObjectValue> {
        var fragment = Fragment<ObjectKey, ObjectValue>()
        for family in IPFamily.allCases {
            for (table, name, rules) in layout.chains(family) {
                fragment.add(.chain(family, table, name.rawValue), .chain(rules.map { .known($0) }))
            }
            for (table, base, rule) in Layout.jumps { fragment.add(.jump(family, table, base), .rule(.known(rule))) }
        }
        return fragment
    }

    public func fragment(for service: PlannedService) -> Fragment<ObjectKey, ObjectValue> {
        var fragment = Fragment<ObjectKey, ObjectValue>()
        lower(service, into: &fragment)
        return fragment
    }

    /// Endpoints are rules of a chain, which is one object.
    public static func expectedObjects(of service: PlannedService) -> Int { service.frontends.count * 4 }

    func lower(_ service: PlannedService, into collector: inout some ObjectCollector) {
        var lowering = ServiceLowering(service, layout)
        lowering.lower(into: &collector)
    }

    /// Reads from the kernel.
    mutating func read<Result>(
        _ body: (inout NFTablesSocket) throws(NetlinkError) -> Result
    ) throws(KernelError) -> Result {
        try session.read(body)
    }

    public var transactionTime: Duration { session.transactionTime }
}

extension Fragment: ObjectCollector where Key == ObjectKey, Value == ObjectValue {
    mutating func add(_ key: ObjectKey, _ value: ObjectValue) { objects.append((key, value)) }
}

/// What must be remembered of the kernel between an observation and the change that follows it.
struct KernelMemory {
    /// What the kernel has of tables and base chains, ours or not.
    var bases = BaseChains()
    /// The handles of rules that services share chains for.
    var entryHandles: [EntryKey: UInt64] = [:]
    /// The handles of the rules that a shared chain has besides.
    var ownHandles: [ObjectKey: [UInt64]] = [:]
    /// Chains of ours that nobody wants any more, but that rules of others lead to: they stay, and are empty.
    var held: Set<ObjectKey> = []
    /// The handles of our jumps.
    var jumpHandles: [ObjectKey: UInt64] = [:]
}
