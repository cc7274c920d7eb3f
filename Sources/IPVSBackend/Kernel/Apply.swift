public import Dataplane
internal import IPSet
internal import IPVS
internal import NetAddress
internal import Netlink

// The difference, carried out part by part: IPVS, sets and addresses know no transactions.

extension IPVSBackend {
    /// Carries out all differences; sends nothing if there are none. Each part that can be refused for what a service asks
    /// is tried before anything is changed.
    public mutating func apply(_ state: inout DeltaTracker<ObjectKey, ObjectValue>) throws(BackendError)
        -> ChangeSummary
    {
        var summary = ChangeSummary()
        var isDone = false
        for _ in 0..<Self.maximumPasses {
            var changes = Changes(state, nodeAddresses: otherAddresses)
            isDone = changes.isEmpty
            guard !isDone else { break }
            try check(changes)
            if !changes.remadeSets.isEmpty {
                try remove(changes.remadeSets)
                try observe(into: &state)
                changes = Changes(state, nodeAddresses: otherAddresses)
            }
            let isComplete = try carryOut(changes, state)
            summary.added += changes.summary.added
            summary.changed += changes.summary.changed
            summary.removed += changes.summary.removed
            summary.udp.merge(changes.summary.udp)
            isDone = isComplete
            guard !isDone else { break }
            // Something was there already that was not ours before: what it has besides is only seen now.
            try observe(into: &state)
        }
        guard isDone || state.isSettled else {
            throw BackendError(
                .foreign, "virtual servers of ours keep changing under our hands; does another program manage them too?"
            )
        }
        state.settle()
        return summary
    }

    private static var maximumPasses: Int { 3 }

    // MARK: - Before anything is changed

    private mutating func check(_ changes: Changes) throws(BackendError) {
        if changes.addresses.added.contains(where: otherAddresses.contains) {
            // What was read last may be old.
            _ = try readDevice()
        }
        let hijacked = changes.addresses.added.filter { otherAddresses.contains($0) }
        if let first = hijacked.first {
            let what =
                hijacked.count == 1 ? "\(first) is" : "\(hijacked.map(\.description).joined(separator: ", ")) are"
            throw BackendError(
                .refused,
                "\(what) the node's own on another interface, and --backend ipvs would take it away from that: IPVS needs "
                    + "service addresses that nobody else has")
        }
        try ensureSchedulers(changes.servers.schedulers.subtracting(knownSchedulers))
    }

    /// Makes sure that the kernel has schedulers, by virtual servers that nothing leads to and that go at once.
    mutating func ensureSchedulers(_ schedulers: Set<String>) throws(BackendError) {
        guard !schedulers.isEmpty else { return }
        var batch = IPVSBatch()
        let id = VirtualServerID.mark(NodeClientMark.probe, .ipv4)
        for scheduler in schedulers.sorted() {
            batch.add(VirtualServer(id, scheduler: scheduler))
            batch.remove(id)
        }
        let refusals = try callIPVS { (socket) throws(NetlinkError) in try socket.send(batch) }
        let missing = refusals.compactMap { refusal in
            if case .schedulerMissing(let module) = refusal.reason { module } else { nil }
        }
        guard missing.isEmpty else {
            throw BackendError(
                .unsupported,
                "the kernel lacks \(missing.count == 1 ? "a scheduler" : "schedulers") of IPVS (module "
                    + "\(missing.joined(separator: ", ")))")
        }
        let refused = refusals.first { refusal in
            if case .addVirtual = refusal.operation { true } else { false }
        }
        if let refused { throw BackendError(.unsupported, "IPVS refuses: \(refused)") }
        knownSchedulers.formUnion(schedulers)
    }

    // MARK: - The change

    /// - Returns: whether the kernel is known to match now.
    private mutating func carryOut(
        _ changes: Changes, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) throws(BackendError) -> Bool {
        let busy = try busyServers(changes)
        try makeSets(changes)
        try removeElements(changes) { $0 == .services }
        try addElements(changes) { $0 != .services }
        try forgetPlaces(changes, state)
        try changeChains(changes)
        try measure { (backend) throws(BackendError) in try backend.addAddresses(changes) }
        let batch = changes.servers.batch(leaving, busy: busy)
        let isComplete = try send(batch)
        noteLeaving(changes.servers, busy)
        // What comes in before its virtual server is there, or after that has gone, would reach the node's own ports
        // (semantics 32).
        try addElements(changes) { $0 == .services }
        try removeRest(changes, state)
        return isComplete
    }

    /// Who serves a place anew serves the node's own clients too.
    private mutating func forgetPlaces(
        _ changes: Changes, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) throws(BackendError) {
        guard !leaving.isEmpty else { return }
        var operations: [SetOperation] = []
        for (id, element) in changes.elements.added
        where (id.role == .services || id.role == .nodePorts) && leaving.forget(element.key) {
            let nodeClients = SetID(.nodeClients, id.family)
            guard state[.element(nodeClients, element.key)] == nil else { continue }
            operations.append(.delete(SetElement(element.key), from: nodeClients.name))
        }
        try applySets(operations)
    }

    mutating func measure<Result>(
        _ body: (inout IPVSBackend) throws(BackendError) -> Result
    ) throws(BackendError) -> Result {
        let start = ContinuousClock.now
        defer { changeTime += .now - start }
        return try body(&self)
    }

    /// - Returns: false if something was there that was to be made.
    mutating func send(_ batch: IPVSBatch) throws(BackendError) -> Bool {
        guard !batch.isEmpty else { return true }
        var second = IPVSBatch()
        let refusals = try measure { (backend) throws(BackendError) in
            try backend.callIPVS { (socket) throws(NetlinkError) in try socket.send(batch) }
        }
        var failed: [Refusal] = []
        for refusal in refusals {
            switch (refusal.operation, refusal.reason) {
            case (.addVirtual(let server), .exists): second.change(server)
            case (.addReal(let real, let id), .exists): second.change(real, of: id)
            // Somebody was faster.
            case (.removeVirtual, .virtualServerAbsent), (.removeReal, .virtualServerAbsent),
                (.removeReal, .realServerAbsent):
                break
            default: failed.append(refusal)
            }
        }
        if !second.isEmpty {
            failed += try measure { (backend) throws(BackendError) in
                try backend.callIPVS { (socket) throws(NetlinkError) in try socket.send(second) }
            }
        }
        if let first = failed.first {
            let others = failed.count > 1 ? " (and \(failed.count - 1) more)" : ""
            throw BackendError(.refused, "IPVS refuses: \(first)\(others)")
        }
        return second.isEmpty
    }

    /// What goes last, and what shows that virtual servers are ours.
    private mutating func removeRest(
        _ changes: Changes, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) throws(BackendError) {
        for (id, element) in changes.elements.removed where id.role == .nodeClients && !leaving.isEmpty {
            _ = keepPlace(of: element, in: id, state)
        }
        let traces = leaving.traces
        let addresses = changes.addresses.removed.filter { !traces.contain($0) }
        if !addresses.isEmpty { try remove(addresses) }
        try removeElements(changes) { $0 != .services }
    }
}
