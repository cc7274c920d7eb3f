internal import CNetfilter
internal import Glibc
public import NetAddress
public import Netlink
internal import NetlinkWire

/// The kernel's connection tracking, in the network namespace where it was opened.
public struct ConntrackSocket: ~Copyable {
    var socket: NetlinkSocket
    /// Whether dumps ask the kernel to leave out other protocols. Off once it has refused to.
    package var filtersInKernel = true

    /// Opens a socket in the calling thread's network namespace.
    public init() throws(NetlinkError) { socket = try NetlinkSocket(.netfilter) }

    // MARK: - Reading

    /// Hands every flow of a family and protocol to a closure.
    ///
    /// The table changes while it is read. A flow that comes or goes meanwhile may or may not be seen, and one that
    /// stays may come twice; if the kernel enlarges the table just then, some may be missed. Nobody can have it
    /// exactly: it is the wrong tool to count with, and good enough to find what must go.
    ///
    /// - Throws: EOPNOTSUPP if the kernel has no connection tracking that it would tell of, EPERM without CAP_NET_ADMIN.
    public mutating func flows(
        _ family: IPFamily, _ transport: TransportProtocol, onFlow: (Flow) -> Void
    ) throws(NetlinkError) {
        do {
            try dump(family, transport, onFlow)
        } catch {
            // A kernel refuses a filter before it lists anything.
            guard filtersInKernel, error.errno == EINVAL || error.isUnsupported else { throw error }
            filtersInKernel = false
            try dump(family, transport, onFlow)
        }
    }

    private mutating func dump(
        _ family: IPFamily, _ transport: TransportProtocol, _ onFlow: (Flow) -> Void
    ) throws(NetlinkError) {
        let operation = "listing tracked connections"
        let isFiltered = filtersInKernel
        do {
            try socket.request(
                type: ctnetlinkType(IPCTNL_MSG_CT_GET), flags: .dump, operation: operation,
                { buffer in
                    buffer.netfilterHeader(family)
                    if isFiltered { buffer.filter(transport) }
                },
                onMessage: { message in
                    if let flow = Flow(message, family, transport) { onFlow(flow) }
                })
        } catch {
            switch error.errno {
            // The list changed while it was dumped. The kernel does not say so of this one, which always changes; if it
            // should begin to, what was seen is as good as before.
            case EINTR: return
            // What netfilter answers where the whole subsystem is missing; a plain dump has nothing else to refuse.
            case EINVAL where !isFiltered:
                throw NetlinkError(
                    errno: EOPNOTSUPP, operation: operation,
                    message: "the kernel has no nf_conntrack_netlink (CONFIG_NF_CT_NETLINK)")
            default: throw error
            }
        }
    }

    // MARK: - Deleting

    /// Deletes flows. The next packet of each makes a new entry, by the rules of then.
    ///
    /// A flow is recognised by its reply tuple, zone and number, so that a newer one on the same original tuple, which
    /// other rules have sent elsewhere, is not hit: the number covers the original tuple, but alone it could be the
    /// same again. One that is gone is no error.
    ///
    /// - Returns: how many were there and are deleted.
    /// - Throws: the first refusal of another kind, once everything else is deleted. EBUSY is a flow that a flow table
    ///   has taken over, which kernels before 5.13 do not let go.
    @discardableResult
    public mutating func delete(_ flows: [Flow]) throws(NetlinkError) -> Int {
        var outcome = BatchOutcome()
        try send(flows, IPCTNL_MSG_CT_DELETE, [], "deleting tracked connections", &outcome) { flow, buffer in
            // Never without a tuple: that is how the whole table is asked to be emptied.
            buffer.tuple(CTA_TUPLE_REPLY, flow.reply, flow.transport, zone: flow.zone?.ofReplyDirection)
            buffer.attribute(UInt16(CTA_ID.rawValue), bigEndian: flow.id)
            if case .both(let zone)? = flow.zone { buffer.attribute(UInt16(CTA_ZONE.rawValue), bigEndian: zone) }
        }
        if let refusal = outcome.refusal { throw refusal }
        return outcome.done
    }

    /// What became of many small requests.
    struct BatchOutcome {
        var done = 0
        /// The first refusal that is not about an object that is absent or present already.
        var refusal: NetlinkError?
    }

    /// Sends a message for each flow, many at a time. The kernel carries out each on its own and answers those that it
    /// refuses; the last of a batch is answered in any case, which proves that all were seen.
    mutating func send(
        _ flows: [Flow], _ type: cntl_msg_types, _ flags: MessageFlags, _ operation: String,
        _ outcome: inout BatchOutcome, _ write: (Flow, inout MessageBuffer) -> Void
    ) throws(NetlinkError) {
        var rest = flows[...]
        while !rest.isEmpty {
            let batch = rest.prefix(Self.flowsPerBatch)
            rest = rest.dropFirst(Self.flowsPerBatch)
            var buffer = MessageBuffer(capacity: batch.count * 160)
            var sequence: UInt32 = 0
            for flow in batch {
                sequence += 1
                let isLast = sequence == batch.count
                let flags = flags.union(isLast ? [.request, .acknowledge] : .request)
                buffer.message(type: ctnetlinkType(type), flags: flags, sequence: sequence) { buffer in
                    buffer.netfilterHeader(flow.family)
                    write(flow, &buffer)
                }
            }
            let answers = try socket.commit(buffer, operation: operation)
            let refusals = answers.filter { $0.errno != 0 }
            outcome.done += batch.count - min(refusals.count, batch.count)
            if let telling = refusals.first(where: { $0.errno != ENOENT && $0.errno != EEXIST }) {
                outcome.refusal =
                    outcome.refusal
                    ?? NetlinkError(
                        errno: telling.errno, operation: operation, message: telling.message)
            }
            guard answers.contains(where: { $0.sequence == sequence }) || outcome.refusal != nil else {
                throw NetlinkError(errno: EPROTO, operation: operation, message: "the kernel did not answer")
            }
        }
    }

    /// So many that the answers, if all are refusals, fit a socket's default receive buffer of 208 KiB twice.
    private static let flowsPerBatch = 128
}

extension Flow.Zone {
    fileprivate var ofReplyDirection: UInt16? {
        if case .reply(let zone) = self { zone } else { nil }
    }
}
