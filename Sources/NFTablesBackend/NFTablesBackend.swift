public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink

/// Programs nf_tables by netlink: NAT by look-ups in a few shared maps, in tables of our own named `svcctl`.
///
/// Lowering is pure and needs no kernel; the socket is opened by the first method that does.
public struct NFTablesBackend: NodeBackend, ~Copyable {
    public typealias Key = ObjectKey
    public typealias Value = ObjectValue

    public static var name: String { "nftables" }

    let layout: Layout
    let shared: SharedObjects
    var socket: NFTablesSocket?
    /// What the last observation found, as far as changes must refer to it.
    var kernel = KernelMemory()
    /// Hears what others do, if somebody asked for that.
    var monitor: NFTablesMonitor?
    /// Whether others may have changed something while nobody listened.
    var hasMissedChanges = false
    /// Whether the monitor does not listen, although it should.
    var isDeaf = false
    public private(set) var transactionTime = Duration.zero

    public init(options: LayoutOptions) {
        layout = Layout(options: options)
        shared = SharedObjects(layout)
    }

    /// Calls the kernel; the socket is opened before the first call, in the calling thread's network namespace.
    mutating func callKernel<Result, Failure: Error>(
        _ body: (inout NFTablesSocket) throws(Failure) -> Result, _ wrap: (Failure) -> KernelError
    ) throws(KernelError) -> Result {
        do {
            if socket == nil { socket = try NFTablesSocket() }
        } catch {
            throw .netlink(error)
        }
        guard var open = socket.take() else { throw .netlink(NetlinkError(errno: 9, operation: "using the socket")) }
        do {
            let result = try body(&open)
            socket = consume open
            return result
        } catch {
            socket = consume open
            throw wrap(error)
        }
    }

    /// Reads from the kernel.
    mutating func read<Result>(
        _ body: (inout NFTablesSocket) throws(NetlinkError) -> Result
    ) throws(KernelError) -> Result {
        try callKernel(body) { .netlink($0) }
    }

    /// Carries out a transaction.
    mutating func commit(_ batch: consuming Batch) throws(KernelError) {
        let start = ContinuousClock.now
        defer { transactionTime += .now - start }
        var batch: Batch? = consume batch
        try callKernel { (socket) throws(TransactionError) in
            if let batch = batch.take() { try socket.commit(batch) }
        } _: {
            .transaction($0)
        }
    }
}

/// What can go wrong between us and the kernel.
enum KernelError: Error {
    case netlink(NetlinkError)
    case transaction(TransactionError)
    case foreign(String)

    /// Whether the ruleset changed under our hands, so that another try may succeed.
    var isStale: Bool {
        switch self {
        case .netlink(let error): error.isStale
        case .transaction(let error): error.cause.isStale
        case .foreign: false
        }
    }

    /// Whether something that was to be read is not there.
    var isGone: Bool {
        guard case .netlink(let error) = self else { return false }
        return error.isAbsent && error.operation != NFTablesSocket.firstQuestion
    }

    /// Whether something that was to be deleted is gone, or something that was to be added is there: the kernel's list
    /// was wrong, or somebody was faster.
    var isOutdated: Bool {
        guard case .transaction(let error) = self, error.object != nil else { return false }
        return error.cause.isAbsent || error.cause.isPresent
    }

    /// The same for the outside.
    var backendError: BackendError {
        switch self {
        case .netlink(let error): Self.backendError(error, error.description)
        case .transaction(let error) where error.cause.isPermission && error.object != nil:
            // Who lacks the privilege is turned away before any object is looked at.
            BackendError(.refused, error.description + "; does another program own the table (flags owner)?")
        case .transaction(let error): Self.backendError(error.cause, error.description)
        case .foreign(let message): BackendError(.foreign, message)
        }
    }

    private static func backendError(_ cause: NetlinkError, _ description: String) -> BackendError {
        if cause.isPermission { return BackendError(.notPermitted, needsRoot) }
        // A kernel without nf_tables does not know the first question we ask it.
        if cause.isUnsupported || cause.operation == NFTablesSocket.firstQuestion && cause.mayMeanMissingFeature {
            return BackendError(.unsupported, "the kernel lacks nf_tables (module nf_tables): \(description)")
        }
        return BackendError(.refused, description)
    }

    private static let needsRoot =
        "the kernel's rules can only be read and changed by root (CAP_NET_ADMIN); --dry-run shows them without"
}

/// What must be remembered of the kernel between an observation and the change that follows it.
struct KernelMemory {
    /// The generation of the ruleset that was observed; nil before.
    var generation: UInt32?
    /// The handles by which rules are deleted.
    var sharedRuleHandles: [SharedRule: UInt64] = [:]

    /// Rules that are gone have no handle. The same rule gets another one when it comes back, and a table that is made
    /// anew counts its handles anew, so that an old one would delete somebody else's rule.
    mutating func forgetHandles(of rules: [SharedRule], _ families: Set<IPFamily>) {
        for rule in rules { sharedRuleHandles[rule] = nil }
        if !families.isEmpty { sharedRuleHandles = sharedRuleHandles.filter { !families.contains($0.key.family) } }
    }
}
