internal import AsyncHTTPClient
internal import Logging
internal import ServiceSource

/// Follows a store for ever: lists, watches, and connects again.
actor EtcdWatcher {
    private let members: [String]
    private let credentials: EtcdCredentials
    private let timing: EtcdTiming
    private let layout: KeyLayout
    private let mailbox: SourceMailbox
    private let logger: Logger
    private let clock = ContinuousClock()

    private var state: StoreState
    private var retryPause: RetryPause
    /// Whether a watch stands, or stood until just now.
    private var isConnected = false
    private var lastHeard: ContinuousClock.Instant
    private var lastUpdate: ContinuousClock.Instant?
    private var pendingUpdate: Task<Void, Never>?
    /// How long messages were worked on since the last update.
    private var decoding = Duration.zero
    /// How long a watch may be silent; longer where others keep changing the store and we hear of nothing.
    private var silence: Duration

    init(_ source: EtcdSource, _ mailbox: SourceMailbox) {
        members = source.location.members
        credentials = source.credentials
        timing = source.timing
        layout = KeyLayout(prefix: source.location.prefix)
        logger = source.logger
        self.mailbox = mailbox
        state = StoreState(layout: layout)
        retryPause = RetryPause(first: timing.firstPause, longest: timing.longestPause)
        lastHeard = clock.now
        silence = timing.silence
    }

    func run() async {
        // Any member serves; nodes should not all choose the same one.
        var index = Int.random(in: members.indices)
        var failures = 0
        while !Task.isCancelled {
            let member = members[index % members.count]
            let start = clock.now
            isConnected = false
            guard let error = await follow(member) else { break }
            logger.debug("etcd: \(error.message)")
            index = (index + 1) % members.count
            let isUsual = isConnected && clock.now - start > .seconds(1)
            if isUsual { retryPause.succeeded() }
            failures = isConnected ? 0 : failures + 1
            // What is mended at once, here or at another member, is not worth a word.
            if !isConnected {
                state.connectionFailed(error, now: .now)
                update()
            }
            if !isUsual, failures % members.count == 0 {
                try? await Task.sleep(for: retryPause.failed(jitter: .random(in: 0..<1)))
            }
        }
        pendingUpdate?.cancel()
        mailbox.finish()
    }

    // MARK: - One connection

    /// Follows the store by one member until that fails.
    ///
    /// - Returns: the reason; nil if it is time to stop.
    private func follow(_ member: String) async -> EtcdError? {
        do {
            let connection = try EtcdConnection(member, credentials, timing)
            var failure: (any Error)?
            do { try await follow(connection) } catch { failure = error }
            await connection.close()
            if let failure { throw failure }
        } catch let error as EtcdError {
            return Task.isCancelled ? nil : error
        } catch {
            return Task.isCancelled ? nil : EtcdError(.unreachable, "\(member): \(error)")
        }
        return nil
    }

    private func follow(_ connection: EtcdConnection) async throws {
        try await synchronize(connection)
        while true {
            do {
                try await watch(connection)
            } catch let error as EtcdError where error.kind == .compacted || error.kind == .tooLarge {
                try await list(connection)
            }
        }
    }

    /// Makes sure that events can be followed from the revision that is known.
    private func synchronize(_ connection: EtcdConnection) async throws {
        guard let history = state.history else { return try await list(connection) }
        do {
            if let contradiction = try await connection.contradiction(to: history, layout) {
                try await list(connection, contradiction)
            }
        } catch let error as EtcdError where error.kind == .compacted {
            try await list(connection)
        }
    }

    private func list(_ connection: EtcdConnection, _ contradiction: String? = nil) async throws {
        while true {
            do {
                let listing = try await connection.list(layout)
                logger.debug("etcd: \(listing.keyCount) keys at revision \(listing.revision)")
                state.take(listing, contradiction: contradiction, now: .now)
                return
            } catch let error as EtcdError where error.kind == .compacted {
                continue
            }
        }
    }

    /// Follows events until the watch should be opened again.
    private func watch(_ connection: EtcdConnection) async throws {
        let revision = state.history?.revision ?? 0
        let body = try await connection.watch(layout, from: revision &+ 1)
        lastHeard = clock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.read(body, connection.member) }
            group.addTask { try await self.listenForSilence(connection) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Works apart from the actor, so that messages are decoded while others are taken in.
    @concurrent private func read(_ body: HTTPClientResponse.Body, _ member: String) async throws {
        var buffer = MessageBuffer(member: member)
        do {
            for try await chunk in body {
                let start = clock.now
                let messages = try buffer.add(chunk)
                if !messages.isEmpty { try await take(messages, member, read: clock.now - start) }
            }
        } catch {
            throw EtcdError(transport: error, member: member)
        }
        throw EtcdError(.unreachable, "\(member) ended the watch")
    }

    /// - Parameter reading: how long it took to read the messages.
    private func take(_ messages: [WatchMessage], _ member: String, read reading: Duration) throws {
        lastHeard = clock.now
        for message in messages { try take(message, member) }
        decoding += reading + (clock.now - lastHeard)
        updateSoon()
    }

    private func take(_ message: WatchMessage, _ member: String) throws {
        if let error = message.error?.asError { throw error }
        guard let result = message.result else { throw EtcdError(.notUnderstood, "\(member) says nothing of a watch") }
        if result.isCanceled {
            if result.compactRevision != nil { throw EtcdError(.compacted, "the revision is compacted") }
            throw GatewayError(message: result.cancelReason ?? "\(member) ended the watch").asError
        }
        if let known = state.history?.clusterID, let clusterID = result.clusterID, clusterID != known {
            throw EtcdError(.unreachable, "\(member) is of another cluster now")
        }
        if result.isCreated {
            isConnected = true
            state.connectionStands()
        }
        for event in result.events {
            silence = timing.silence
            state.take(
                key: event.key, value: event.value, createRevision: event.createRevision,
                modRevision: event.modRevision, now: .now)
            // The header's revision may be one whose events are still to come.
            state.reached(event.modRevision)
        }
        if result.events.isEmpty, !result.isCreated, let revision = result.revision {
            state.reached(revision)
        }
    }

    /// Asks for the revision when the watch has been silent for long. If the store moved on, it may have been for other
    /// keys, or the watch may be dead: opening it again tells.
    private func listenForSilence(_ connection: EtcdConnection) async throws {
        while true {
            let quiet = clock.now - lastHeard
            if quiet < silence {
                try await Task.sleep(for: silence - quiet)
                continue
            }
            let known = state.history?.revision ?? 0
            let revision = try await connection.revision(layout)
            let isStillQuiet = clock.now - lastHeard >= silence
            if revision < known { throw EtcdError(.unreachable, "\(connection.member) lost revisions") }
            if revision > known, isStillQuiet {
                silence = min(silence * 2, timing.silence * 16)
                return
            }
            lastHeard = clock.now
        }
    }

    // MARK: - Updates

    /// Hands out what is new, at once after a quiet time, else when the gap is over.
    private func updateSoon() {
        guard pendingUpdate == nil else { return }
        let due = lastUpdate.map { $0 + timing.gap } ?? clock.now
        if due <= clock.now { return update() }
        pendingUpdate = Task {
            try? await Task.sleep(until: due, clock: clock)
            pendingUpdate = nil
            update()
        }
    }

    private func update() {
        let start = clock.now
        lastUpdate = start
        guard var update = state.update(now: .now) else { return }
        update.decoding = decoding + (clock.now - start)
        decoding = .zero
        mailbox.post(update)
    }
}
