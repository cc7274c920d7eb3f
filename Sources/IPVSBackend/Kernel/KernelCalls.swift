internal import Dataplane
internal import IPSet
internal import IPVS
internal import Links
internal import NFTables
internal import Netlink
internal import RulesetAccess
internal import XTables

// Every call of the kernel, with its errors as the outside knows them.

extension IPVSBackend {
    mutating func callIPVS<Result>(
        _ body: (inout IPVSSocket) throws(NetlinkError) -> Result
    ) throws(BackendError) -> Result {
        do {
            return try ipvs.use({ () throws(NetlinkError) in try IPVSSocket() }, body)
        } catch {
            throw Self.backendError(error)
        }
    }

    mutating func callSets<Result>(
        _ body: (inout IPSetSession) throws(IPSetError) -> Result
    ) throws(BackendError) -> Result {
        do {
            return try sets.use({ () throws(IPSetError) in try IPSetSession() }, body)
        } catch {
            throw Self.backendError(error)
        }
    }

    mutating func callLinks<Result>(
        _ body: (inout LinkSocket) throws(LinkError) -> Result
    ) throws(BackendError) -> Result {
        do {
            return try links.use(
                { () throws(LinkError) in
                    do throws(NetlinkError) {
                        return try LinkSocket()
                    } catch {
                        throw LinkError(.refused(error), "rtnetlink")
                    }
                }, body)
        } catch {
            throw Self.backendError(error)
        }
    }

    /// Reads from nf_tables.
    mutating func read<Result>(
        _ body: (inout NFTablesSocket) throws(NetlinkError) -> Result
    ) throws(KernelError) -> Result {
        try session.read(body)
    }

    static func backendError(_ error: NetlinkError) -> BackendError {
        if error.isPermission { return BackendError(.notPermitted, needsRoot) }
        return BackendError(error.isUnsupported ? .unsupported : .refused, error.description)
    }

    static func backendError(_ error: IPSetError) -> BackendError {
        switch error.reason {
        case .notPermitted: BackendError(.notPermitted, needsRoot)
        case .missingModule, .missingLibrary: BackendError(.unsupported, error.description)
        default: BackendError(.refused, error.description)
        }
    }

    static func backendError(_ error: LinkError) -> BackendError {
        switch error.reason {
        case .notPermitted: BackendError(.notPermitted, needsRoot)
        case .missingModule: BackendError(.unsupported, error.description)
        default: BackendError(.refused, error.description)
        }
    }

    private static let needsRoot =
        "virtual servers and sets can only be read and changed by root (CAP_NET_ADMIN); --dry-run shows them without"
}
