internal import Dataplane
internal import NFTables
internal import Netlink

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

    /// Whether something that was to be deleted is gone: somebody was faster.
    var isOutdated: Bool {
        guard case .transaction(let error) = self, error.object != nil else { return false }
        return error.cause.isAbsent || error.cause.isPresent
    }

    /// Whether something that was to be deleted is still needed.
    var isInUse: Bool {
        guard case .transaction(let error) = self else { return false }
        return error.cause.isInUse
    }

    /// The same for the outside.
    var backendError: BackendError {
        switch self {
        case .netlink(let error): Self.backendError(error, error.description)
        case .transaction(let error): Self.backendError(error.cause, error.description)
        case .foreign(let message): BackendError(.foreign, message)
        }
    }

    private static func backendError(_ cause: NetlinkError, _ description: String) -> BackendError {
        if cause.isPermission {
            return BackendError(
                .notPermitted,
                "the kernel's rules can only be read and changed by root (CAP_NET_ADMIN); --dry-run shows them without")
        }
        if cause.isUnsupported || cause.operation == NFTablesSocket.firstQuestion && cause.mayMeanMissingFeature {
            return BackendError(.unsupported, "the kernel lacks nf_tables (module nf_tables): \(description)")
        }
        return BackendError(.refused, description)
    }
}

/// How often something is tried again that failed because somebody else changed the ruleset.
let maximumAttempts = 8
