internal import FoundationEssentials

/// One change of one key.
package enum EtcdChange: Hashable, Sendable {
    case put(key: String, value: [UInt8], lease: Int64 = 0)
    case delete(key: String)
}

extension EtcdConnection {
    /// How many changes etcd takes in one transaction unless it is told otherwise (`--max-txn-ops`).
    package static let largestTransaction = 128

    /// Makes all changes in one transaction; at most ``largestTransaction``, and no key twice.
    ///
    /// - Returns: how many of the keys to be deleted were there.
    @discardableResult
    package func write(_ changes: [EtcdChange]) async throws -> Int {
        let answer: TransactionResponse = try await call(
            "/v3/kv/txn", TransactionRequest(success: changes.map(TransactionRequest.Operation.init)))
        guard answer.succeeded == true else { throw EtcdError(.notUnderstood, "\(member) did not do what it was told") }
        return (answer.responses ?? []).reduce(0) { $0 &+ Int($1.deletion?.deleted?.value ?? 0) }
    }

    /// Replaces a value under a lease; false if the key is not there any more, or under another lease.
    package func replace(_ key: String, value: [UInt8], lease: Int64) async throws -> Bool {
        let condition = TransactionRequest.Condition(key: Data(key.utf8), lease: WireNumber(lease))
        let put = TransactionRequest.Operation(.put(key: key, value: value, lease: lease))
        let answer: TransactionResponse = try await call(
            "/v3/kv/txn", TransactionRequest(compare: [condition], success: [put]))
        return answer.succeeded == true
    }

    /// The keys that begin with a text, which must not be empty, with their values, in order of keys.
    package func values(prefix: String) async throws -> [(key: String, value: [UInt8])] {
        try await pairs(prefix: prefix).map { pair in
            (String(decoding: pair.key ?? Data(), as: UTF8.self), pair.value.map { Array($0) } ?? [])
        }
    }

    /// The keys that begin with a text, which must not be empty, in order.
    package func keys(prefix: String) async throws -> [String] {
        try await pairs(prefix: prefix, keysOnly: true).map { String(decoding: $0.key ?? Data(), as: UTF8.self) }
    }

    private func pairs(prefix: String, keysOnly: Bool? = nil) async throws -> [KeyValue] {
        var request = RangeRequest(key: Data(prefix.utf8), limit: WireNumber(Int64(timing.page)), keysOnly: keysOnly)
        guard let last = prefix.utf8.last else { return [] }
        request.rangeEnd = Data(prefix.utf8.dropLast() + [last &+ 1])
        var result: [KeyValue] = []
        while true {
            let answer: RangeResponse = try await call("/v3/kv/range", request)
            result += answer.kvs ?? []
            guard answer.more == true, let last = answer.kvs?.last?.key else { return result }
            request.key = last + [0]
            request.revision = request.revision ?? answer.header.revision
        }
    }

    /// The value of one key; nil if it is not there.
    package func value(_ key: String) async throws -> [UInt8]? {
        let answer: RangeResponse = try await call("/v3/kv/range", RangeRequest(key: Data(key.utf8)))
        return answer.kvs?.first.map { $0.value.map { Array($0) } ?? [] }
    }

    // MARK: - Leases

    /// Gets a lease, which ends when it was not renewed for a time.
    ///
    /// - Parameter seconds: etcd may give more, but not less.
    package func grantLease(seconds: Int) async throws -> Int64 {
        let answer: LeaseResponse = try await call(
            "/v3/lease/grant", LeaseGrantRequest(seconds: WireNumber(Int64(seconds))))
        guard let id = answer.id?.value else { throw EtcdError(.notUnderstood, "\(member) gives no lease") }
        return id
    }

    /// Renews a lease; false if it has ended.
    package func renewLease(_ id: Int64) async throws -> Bool {
        let answer: LeaseRenewal = try await call("/v3/lease/keepalive", LeaseRequest(id: WireNumber(id)))
        return (answer.result?.seconds?.value ?? 0) > 0
    }

    /// Ends a lease, and with it the keys under it.
    package func revokeLease(_ id: Int64) async throws {
        let _: LeaseResponse = try await call("/v3/lease/revoke", LeaseRequest(id: WireNumber(id)))
    }
}
