public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import RulesetAccess

/// Programs nf_tables by netlink: NAT by look-ups in a few shared maps, in tables of our own named `svcctl`.
///
/// Lowering is pure and needs no kernel; the socket is opened by the first method that does.
public struct NFTablesBackend: NodeBackend, ~Copyable {
    public typealias Key = ObjectKey
    public typealias Value = ObjectValue

    public static var name: String { "nftables" }

    let layout: Layout
    let shared: SharedObjects
    var session = RulesetSession()
    /// What the last observation found, as far as changes must refer to it.
    var kernel = KernelMemory()
    /// What is noted of our tables for the next start; nil if nothing can be.
    var record: RulesetRecord?
    /// Whether the record says what our tables have at the session's generation.
    var isRecordCurrent = false
    /// How many elements a set may have that is always read: with more, asking for each is faster, at 2 µs, where it is
    /// enough. Reading takes time quadratic in the set's size.
    package var largestRead: UInt32 = 120_000
    /// The sets whose elements the last observation believed instead of reading them.
    package internal(set) var believedSets: Set<SetID> = []

    public init(options: LayoutOptions) {
        layout = Layout(options: options)
        shared = SharedObjects(layout)
    }

    /// Reads from the kernel.
    mutating func read<Result>(
        _ body: (inout NFTablesSocket) throws(NetlinkError) -> Result
    ) throws(KernelError) -> Result {
        try session.read(body)
    }

    public var transactionTime: Duration { session.transactionTime }
}

/// What must be remembered of the kernel between an observation and the change that follows it.
struct KernelMemory {
    /// The handles by which rules are deleted.
    var sharedRuleHandles: [SharedRule: UInt64] = [:]

    /// Rules that are gone have no handle. The same rule gets another one when it comes back, and a table that is made
    /// anew counts its handles anew, so that an old one would delete somebody else's rule.
    mutating func forgetHandles(of rules: [SharedRule], _ families: Set<IPFamily>) {
        for rule in rules { sharedRuleHandles[rule] = nil }
        if !families.isEmpty { sharedRuleHandles = sharedRuleHandles.filter { !families.contains($0.key.family) } }
    }
}
