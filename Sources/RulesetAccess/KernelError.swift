public import Dataplane
public import NFTables
public import Netlink

/// What can go wrong between us and the kernel.
public enum KernelError: Error {
    case netlink(NetlinkError)
    case transaction(TransactionError)
    case foreign(String)

    /// Whether the ruleset changed under our hands, so that another try may succeed.
    public var isStale: Bool {
        switch self {
        case .netlink(let error): error.isStale
        case .transaction(let error): error.cause.isStale
        case .foreign: false
        }
    }

    /// Whether something that was to be read is not there.
    public var isGone: Bool {
        guard case .netlink(let error) = self else { return false }
        return error.isAbsent && error.operation != NFTablesSocket.firstQuestion
    }

    /// Whether something that was to be deleted is gone, or something that was to be added is there: the kernel's list
    /// was wrong, or somebody was faster.
    public var isOutdated: Bool {
        guard case .transaction(let error) = self, error.object != nil else { return false }
        return error.cause.isAbsent || error.cause.isPresent
    }

    /// Whether something that was to be deleted is still needed.
    public var isInUse: Bool {
        guard case .transaction(let error) = self else { return false }
        return error.cause.isInUse
    }

    /// The same for the outside.
    public var backendError: BackendError {
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

/// How often something is tried again that failed because somebody else changed the ruleset.
public let maximumAttempts = 8
