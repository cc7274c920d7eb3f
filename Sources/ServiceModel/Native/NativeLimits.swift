import NetAddress

// Who may use a service, and how much of it. Kubernetes has no fields for these.

extension ValueReader {
    private static var connections: ClosedRange<Int> { 1...16_777_215 }
    private static var rates: ClosedRange<Int> { 1...1_000_000 }
    /// Clients open a few connections at once even where they open few in a second.
    private static var leastDefaultBurst: UInt32 { 5 }

    func readLimits(_ nodes: NativeServiceNodes, into service: inout Service) {
        service.allowedSources = nodes.allow.map { sourceRanges($0) } ?? []
        service.deniedSources = nodes.deny.map { deniedRanges($0) } ?? []
        if let node = nodes.maxConnections { readMaxConnections(node, into: &service) }
        service.newConnectionsPerSecond = nodes.newConnectionsPerSecond.flatMap { connectionRate($0) }
    }

    /// Closing a whole family may be meant, but is worth a word.
    private func deniedRanges(_ list: NodeID) -> [CIDR] {
        sourceRanges(list) { node, range in
            guard range.prefixLength == 0 else { return }
            warn(node, "\(range) denies every \(range.family) client: nobody can use the service by \(range.family)")
        }
    }

    /// A number for the whole service, or `{"perService": N, "perSource": M}` with one of them at least.
    private func readMaxConnections(_ node: NodeID, into service: inout Service) {
        guard tree.kind(node) == .object else {
            service.maxConnections = connectionCount(node)
            return
        }
        var isEmpty = true
        for (key, value) in tree.members(of: node) {
            guard let field = field(key, of: MaxConnectionsField.table) else {
                // What it stands for is reported; that the object says nothing else would be noise.
                isEmpty = false
                continue
            }
            guard !isNull(value) else { continue }
            isEmpty = false
            switch field {
            case .perService: service.maxConnections = connectionCount(value)
            case .perSource: service.maxConnectionsPerSource = connectionCount(value)
            }
        }
        if isEmpty { fail(node, "a limit of connections needs \"perService\" or \"perSource\"") }
    }

    private func connectionCount(_ node: NodeID) -> UInt32? {
        integer(node, in: Self.connections).map { UInt32(truncatingIfNeeded: $0) }
    }

    /// A number for each client address, or `{"perSource": R, "burst": B}`.
    private func connectionRate(_ node: NodeID) -> RateLimit? {
        guard tree.kind(node) == .object else { return rate(node).map { rateLimit($0, burst: nil) } }
        let errors = findings.errorCount
        var perSecond: UInt32?
        var burst: UInt32?
        for (key, value) in tree.members(of: node) {
            guard let field = field(key, of: ConnectionRateField.table), !isNull(value) else { continue }
            switch field {
            case .perSource: perSecond = rate(value)
            case .burst: burst = rate(value)
            }
        }
        guard findings.errorCount == errors else { return nil }
        guard let perSecond else {
            fail(node, "a rate of new connections needs \"perSource\"")
            return nil
        }
        return rateLimit(perSecond, burst: burst)
    }

    private func rate(_ node: NodeID) -> UInt32? {
        integer(node, in: Self.rates).map { UInt32(truncatingIfNeeded: $0) }
    }

    private func rateLimit(_ perSecond: UInt32, burst: UInt32?) -> RateLimit {
        RateLimit(perSecond: perSecond, burst: burst ?? max(perSecond, Self.leastDefaultBurst))
    }
}
