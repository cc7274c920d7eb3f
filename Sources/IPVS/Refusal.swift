internal import Glibc
internal import NetAddress
public import Netlink

/// What the kernel did not do of a batch, and why.
public struct Refusal: Error, Hashable, Sendable {
    /// The place in the batch, from 0.
    public let index: Int
    /// The caller's own number.
    public let tag: Int
    public let operation: IPVSOperation
    /// The errno, and the kernel's own sentence if it gave one.
    public let error: NetlinkError
    public let reason: Reason

    /// - Parameter reason: nil to take it from the errno.
    init(index: Int, entry: IPVSBatch.Entry, error: NetlinkError, reason: Reason? = nil) {
        self.index = index
        tag = entry.tag
        operation = entry.operation
        self.error = error
        self.reason = reason ?? Reason(entry.operation, error.errno)
    }

    /// What the errno means for the operation (ip_vs_genl_set_cmd and what it calls, net/netfilter/ipvs/ip_vs_ctl.c).
    public enum Reason: Hashable, Sendable {
        /// The kernel has no such scheduler, and no such module.
        case schedulerMissing(module: String)
        /// The kernel lacks the scheduler or the persistence engine; it does not say which.
        case schedulerOrEngineMissing(modules: [String])
        /// The module of `lblc` or `lblcr` is not loaded, and we may not load it (CAP_SYS_MODULE). If IPVS loaded it by
        /// itself, the kernel could hang.
        case moduleNotLoaded(String)
        /// What was to be added is there.
        case exists
        /// The virtual server is not there.
        case virtualServerAbsent
        /// The real server is not there, the virtual server is.
        case realServerAbsent
        /// A weight above `Int32.max`, or a lower threshold above the upper one.
        case outOfRange
        /// The kernel's IPVS was built without IPv6.
        case familyUnsupported
        /// A virtual and a real server of two families, which only tunnels can have, and not beside a synchronisation
        /// daemon.
        case familiesDiffer
        /// GUE without a port.
        case tunnelPortMissing
        /// A broadcast, multicast or IPv6 link-local address; any IPv4 address in a namespace where no interface is up,
        /// `lo` neither.
        case addressUnusable
        /// A field that the kernel cannot take: a name of more than 15 bytes, no mark, an IPv6 mask out of 1 to 128.
        case invalid
        /// CAP_NET_ADMIN is missing.
        case permission
        /// Anything else: the errno says it.
        case other
    }
}

extension Refusal.Reason {
    init(_ operation: IPVSOperation, _ errno: Int32) {
        self =
            switch (operation, errno) {
            case (_, EPERM), (_, EACCES): .permission
            case (_, EEXIST): .exists
            case (_, ESRCH): .virtualServerAbsent
            case (_, EAFNOSUPPORT): .familyUnsupported
            case (_, ERANGE): .outOfRange
            case (.addVirtual(let server), ENOENT), (.changeVirtual(let server), ENOENT): Self(missing: server)
            case (.changeReal, ENOENT), (.removeReal, ENOENT): .realServerAbsent
            case (.addReal(let server, let id), EINVAL), (.changeReal(let server, let id), EINVAL):
                Self(unusable: server, id)
            case (_, EINVAL): .invalid
            default: .other
            }
    }

    private init(missing server: VirtualServer) {
        let module = Scheduler.module(of: server.scheduler)
        self =
            if let engine = server.persistenceEngine {
                .schedulerOrEngineMissing(modules: [module, "ip_vs_pe_\(engine)"])
            } else {
                .schedulerMissing(module: module)
            }
    }

    private init(unusable server: RealServer, _ id: VirtualServerID) {
        self =
            if server.address.family != id.family {
                .familiesDiffer
            } else if server.forwarding == .tunnel, server.tunnel.kind == .gue, server.tunnel.port == 0 {
                .tunnelPortMissing
            } else {
                .addressUnusable
            }
    }
}

extension Refusal.Reason: CustomStringConvertible {
    /// For example `the kernel has no module ip_vs_foo`.
    public var description: String {
        switch self {
        case .schedulerMissing(let module): "the kernel has no module \(module)"
        case .schedulerOrEngineMissing(let modules):
            "the kernel lacks one of the modules \(modules.joined(separator: " and "))"
        case .moduleNotLoaded(let module):
            "load the module \(module) first, or give CAP_SYS_MODULE: the kernel could hang if IPVS had to load it"
        case .exists: "it exists already"
        case .virtualServerAbsent: "there is no such virtual server"
        case .realServerAbsent: "there is no such real server"
        case .outOfRange: "the weight is above \(Int32.max), or the lower threshold above the upper one"
        case .familyUnsupported: "the kernel's IPVS has no IPv6 (CONFIG_IP_VS_IPV6)"
        case .familiesDiffer: "only tunnels lead from one family to the other"
        case .tunnelPortMissing: "GUE needs a port"
        case .addressUnusable: "no real server may have this address, or no interface is up, lo neither"
        case .invalid: "a name, a mark or a mask is not valid"
        case .permission: "it takes CAP_NET_ADMIN"
        case .other: "the kernel refuses it"
        }
    }
}

extension Refusal: CustomStringConvertible {
    /// For example `-A -t 10.0.0.1:80 -s foo: the kernel has no module ip_vs_foo: ENOENT (No such file or directory)`.
    public var description: String { "\(operation): \(reason): \(error.reason)" }
}
