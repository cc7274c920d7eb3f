/// A key that is there as long as somebody holds it: under a lease that is renewed.
package actor Registration {
    private let cluster: EtcdCluster
    package nonisolated let key: String
    private let seconds: Int
    private var lease: Int64?

    /// - Parameter seconds: how long the key stays when nobody renews the lease; etcd has a least time of its own.
    package init(_ cluster: EtcdCluster, key: String, seconds: Int) {
        self.cluster = cluster
        self.key = key
        self.seconds = seconds
    }

    /// Writes the value, under a lease that is got if there is none.
    package func write(_ value: [UInt8]) async throws {
        while true {
            let lease = try await leaseToUse()
            do {
                return try await cluster.ask { connection in
                    _ = try await connection.write([.put(key: self.key, value: value, lease: lease)])
                }
            } catch let error as EtcdError where error.isLeaseGone {
                self.lease = nil
            }
        }
    }

    private func leaseToUse() async throws -> Int64 {
        if let lease { return lease }
        let new = try await cluster.ask { try await $0.grantLease(seconds: self.seconds) }
        lease = new
        return new
    }

    /// Writes another value if the key is still held; false if somebody else has it now, or it was deleted.
    package func replace(_ value: [UInt8]) async throws -> Bool {
        guard let lease else { return false }
        return try await cluster.ask { try await $0.replace(self.key, value: value, lease: lease) }
    }

    /// Renews the lease; false if it has ended, so that the value must be written again.
    package func renew() async throws -> Bool {
        guard let lease else { return false }
        // It is renewed when a third of its time has passed; when each member was tried, another third should be left.
        let isRenewed = try await cluster.ask(within: .seconds(seconds) / 3) { try await $0.renewLease(lease) }
        if !isRenewed { self.lease = nil }
        return isRenewed
    }

    /// Ends the lease, and with it the key.
    package func leave() async throws {
        guard let lease else { return }
        do {
            try await cluster.ask { try await $0.revokeLease(lease) }
        } catch let error as EtcdError where error.isLeaseGone {
            // It is what we want.
        }
        self.lease = nil
    }
}

extension EtcdError {
    fileprivate var isLeaseGone: Bool { kind == .refused && message.contains("requested lease not found") }
}
