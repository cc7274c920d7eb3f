internal import Conntrack
internal import NetAddress
internal import Netlink
public import ServicePlan

/// What a change of the rules did to the endpoints that UDP flows may lead to, told by the backend that made it.
public struct UDPChanges: Hashable, Sendable {
    /// Frontends that lost an endpoint.
    public var departures: Set<UDPFrontend> = []
    /// How many endpoints came to each frontend.
    public var arrivals: [UDPFrontend: Int] = [:]
    /// Whether flows of all frontends must be looked at: nobody knows what was done before, or left undone. So it is when a
    /// process begins, and whenever everything is compared with the kernel.
    public var areUnknown: Bool

    public init(areUnknown: Bool = false) { self.areUnknown = areUnknown }

    public var isEmpty: Bool { departures.isEmpty && arrivals.isEmpty && !areUnknown }

    /// Adds what a later change did.
    public mutating func merge(_ later: UDPChanges) {
        departures.formUnion(later.departures)
        arrivals.merge(later.arrivals, uniquingKeysWith: +)
        areUnknown = areUnknown || later.areUnknown
    }

    /// The frontends whose flows may lead elsewhere than the rules do now: those that lost an endpoint, and those whose
    /// endpoints are all new, so that older flows went nowhere (semantics 42 and 43).
    func stale(_ serving: ServingEndpoints, nodeAddresses: Set<IPAddress>?) -> StaleFlows {
        var changed: ServingEndpoints = [:]
        for frontend in departures { changed[frontend] = serving[frontend] ?? [] }
        for (frontend, count) in arrivals where changed[frontend] == nil {
            let endpoints = serving[frontend] ?? []
            if endpoints.count == count { changed[frontend] = endpoints }
        }
        guard areUnknown else {
            let unchanged = Set(serving.keys).subtracting(changed.keys)
            return StaleFlows(changed: changed, unchanged: unchanged, nodeAddresses: nodeAddresses)
        }
        let unprovoked = Set(serving.keys).subtracting(changed.keys)
        for frontend in unprovoked { changed[frontend] = serving[frontend] }
        return StaleFlows(changed: changed, nodeAddresses: nodeAddresses, unprovoked: unprovoked)
    }
}

/// Deletes UDP entries of connection tracking that lead to endpoints which no longer answer (semantics 41 to 45), once the
/// rules are in place.
public enum FlowCleanup {
    /// Looks for stale flows if the change can have made any, and deletes them.
    ///
    /// - Returns: how many were deleted.
    /// - Throws: ``BackendError`` if the kernel's table cannot be read or changed; the rules stand all the same.
    @discardableResult
    public static func run(after changes: UDPChanges, _ plans: ServicePlans) throws(BackendError) -> Int {
        changes.isEmpty ? 0 : try run(after: changes, plans.udpFrontends)
    }

    /// The same where the endpoints of all UDP frontends are known already.
    @discardableResult
    public static func run(after changes: UDPChanges, _ serving: ServingEndpoints) throws(BackendError) -> Int {
        guard !changes.isEmpty else { return 0 }
        let stale = changes.stale(serving, nodeAddresses: NodeAddresses.current())
        guard !stale.isEmpty else { return 0 }
        do {
            var socket = try ConntrackSocket()
            var deleted = 0
            for family in stale.families.sorted() {
                var found: [Flow] = []
                try socket.flows(family, .udp) { flow in
                    if stale.isStale(flow) { found.append(flow) }
                }
                deleted += try socket.delete(found)
            }
            return deleted
        } catch {
            let what = "the rules are in place, but UDP flows to endpoints that are gone could not be ended"
            let kind: BackendError.Kind =
                error.isPermission ? .notPermitted : error.isUnsupported ? .unsupported : .refused
            throw BackendError(kind, "\(what): \(error)")
        }
    }
}

extension StaleFlows {
    fileprivate func isStale(_ flow: Flow) -> Bool {
        isStale(
            destination: SocketEndpoint(address: flow.original.destination, port: flow.original.destinationPort),
            replySource: SocketEndpoint(address: flow.reply.source, port: flow.reply.sourcePort))
    }
}
