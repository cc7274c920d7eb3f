internal import Synchronization

/// Requests to whichever member of a cluster answers, for commands.
package final class EtcdCluster: Sendable {
    package let layout: KeyLayout
    private let members: [String]
    private let credentials: EtcdCredentials
    private let timing: EtcdTiming
    private let current = Mutex<(connection: EtcdConnection?, index: Int)>((nil, 0))

    package init(_ location: EtcdLocation, credentials: EtcdCredentials, timing: EtcdTiming = EtcdTiming()) {
        members = location.members
        layout = KeyLayout(prefix: location.prefix)
        self.credentials = credentials
        self.timing = timing
    }

    /// Does something by one member, and, if that cannot be reached, by the next one, until all were tried. What is done
    /// must be right also if it is done twice.
    ///
    /// - Throws: ``EtcdError`` of the last member that was tried.
    package func ask<Output: Sendable>(_ body: (EtcdConnection) async throws -> Output) async throws -> Output {
        try await tryMembers { connection, _ in try await body(connection) }
    }

    /// The same for what is urgent: a member that accepts and never answers leaves time for the others.
    ///
    /// - Parameter limit: how long it may take to try all members. The last one may take as long as a request may.
    package func ask<Output: Sendable>(
        within limit: Duration, _ body: @escaping @Sendable (EtcdConnection) async throws -> Output
    ) async throws -> Output {
        let share = min(limit / members.count, timing.request)
        return try await tryMembers { connection, isLast in
            if isLast { return try await body(connection) }
            let late = EtcdError(.unreachable, "\(connection.member) does not answer in time")
            return try await withTimeLimit(share, or: late) { try await body(connection) }
        }
    }

    private func tryMembers<Output: Sendable>(
        _ body: (EtcdConnection, _ isLast: Bool) async throws -> Output
    ) async throws -> Output {
        var attempts = 0
        while true {
            attempts += 1
            do {
                return try await body(connection(), attempts >= members.count)
            } catch let error as EtcdError where error.kind == .unreachable {
                await moveOn()
                if attempts >= members.count { throw error }
            }
        }
    }

    /// Ends all connections.
    package func close() async { await moveOn() }

    private func connection() throws(EtcdError) -> EtcdConnection {
        let (known, index) = current.withLock { $0 }
        if let known { return known }
        let connection = try EtcdConnection(members[index % members.count], credentials, timing)
        current.withLock { $0.connection = connection }
        return connection
    }

    private func moveOn() async {
        let connection = current.withLock { current in
            current.index += 1
            return current.connection.take()
        }
        await connection?.close()
    }
}
