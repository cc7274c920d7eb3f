public import Dataplane
internal import IPSet
internal import IPVS
internal import Links
internal import NetAddress
internal import RulesetAccess
public import ServicePlan
internal import XTables

/// Programs IPVS: virtual servers by generic netlink, service addresses on an interface of ours, and sets that a handful
/// of iptables rules look into.
///
/// Lowering is pure and needs no kernel; sockets are opened by the first method that needs them.
public struct IPVSBackend: NodeBackend, ~Copyable {
    public typealias Key = ObjectKey
    public typealias Value = ObjectValue

    public static var name: String { "ipvs" }

    let layout: Layout
    var session = RulesetSession()
    var ipvs = Opened<IPVSSocket>()
    var sets = Opened<IPSetSession>()
    var links = Opened<LinkSocket>()
    /// What the last observation found of chains, as far as changes must refer to it.
    var chains = ChainMemory()
    /// Real servers that nobody wants any more, but that have connections.
    var leaving = Leaving()
    /// Addresses of the node's other interfaces.
    var otherAddresses: Set<IPAddress> = []
    /// Schedulers that the kernel has.
    var knownSchedulers: Set<String> = []
    /// How long the kernel has worked on changes so far, without those of chains.
    var changeTime = Duration.zero

    public init(options: LayoutOptions) { layout = Layout(options: options) }

    public func skeleton() -> Fragment<ObjectKey, ObjectValue> {
        var fragment = Fragment<ObjectKey, ObjectValue>()
        fragment.objects.append((.device, .present))
        for id in SetID.all { fragment.objects.append((.set(id), .set(id.spec))) }
        for family in IPFamily.allCases {
            for (table, name, rules) in layout.chains(family) {
                fragment.objects.append((.chain(family, table, name.rawValue), .rules(rules.map { .known($0) })))
            }
            for (table, base, rule) in Layout.jumps {
                fragment.objects.append((.jump(family, table, base), .rules([.known(rule)])))
            }
        }
        return fragment
    }

    public func fragment(for service: PlannedService) -> Fragment<ObjectKey, ObjectValue> {
        var lowering = ServiceLowering(service)
        lowering.lower()
        return Fragment(lowering.objects)
    }

    /// Some sets' elements and a virtual server for each address, and one real server for each endpoint.
    public static func expectedObjects(of service: PlannedService) -> Int {
        service.frontends.reduce(0) { $0 + $1.treatment.targets.count + 5 }
    }

    public var transactionTime: Duration { session.transactionTime + changeTime }
}
