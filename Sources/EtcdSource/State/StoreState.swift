internal import ServiceModel
internal import ServiceSource

/// What is known of the store, and what of it is handed out. No clock and no connection: readings and events in, updates
/// out. Work is in proportion to what changed.
struct StoreState {
    let layout: KeyLayout
    /// Nil until a listing was taken.
    private(set) var history: StoreHistory?
    private(set) var alarm: LossAlarm?
    private var alarmSince = Timestamp(milliseconds: 0)
    private var hasAlarmFinding = false
    private var entries: [ServiceName: ServiceEntry] = [:]
    /// Services whose documents may differ from what is handed out.
    private var dirty: Set<ServiceName> = []
    private var nodes: StoredNodes
    private var outside: [String: String] = [:]
    private var findings = FindingBoard()
    /// How many services the store has, good or not, and when the last one went.
    private var storedCount = 0
    private var emptiedAt: Int64 = 0
    private var servedCount = 0
    private var acceptRevision: Int64 = 0
    private var isComplete = false
    private var connectionProblem: SourceProblem?
    private var missingSince: Timestamp?
    private var last: SourceUpdate?

    init(layout: KeyLayout) {
        self.layout = layout
        nodes = StoredNodes(layout: layout)
    }

    // MARK: - What the store says

    /// Takes a listing of all keys.
    ///
    /// - Parameter contradiction: why the store cannot be the one that was followed up to now, if that is known already.
    mutating func take(_ listing: StoreListing, contradiction: String? = nil, now: Timestamp) {
        let reason =
            contradiction ?? history?.contradiction(clusterID: listing.clusterID, revision: listing.revision)
        for name in entries.keys where listing.services[name] == nil { replace(name, with: ServiceDocuments()) }
        for (name, documents) in listing.services { replace(name, with: documents) }
        nodes.replaceAll(with: listing.nodes)
        for key in outside.keys where listing.outside[key] == nil { findings.set([], for: key, now: now) }
        for (key, reason) in listing.outside { findings.set([(.error, reason)], for: key, now: now) }
        outside = listing.outside
        storedCount = listing.services.values.count { $0.service != nil }
        emptiedAt = (history?.revision ?? 0) &+ 1
        acceptRevision = listing.acceptRevision
        history = StoreHistory(
            clusterID: listing.clusterID, revision: listing.revision, keyCount: listing.keyCount)
        if let reason, servedCount > 0 { raise(reason, acceptableFrom: listing.revision &+ 1, now) }
    }

    /// Takes one event of the watch.
    ///
    /// - Parameter value: nil if the key was deleted.
    mutating func take(
        key: [UInt8], value: [UInt8]?, createRevision: Int64, modRevision: Int64, now: Timestamp
    ) {
        if value == nil {
            history?.keyCount -= 1
        } else if createRevision == modRevision {
            history?.keyCount += 1
        }
        switch layout.meaning(of: key) {
        case .service(let name):
            let document = value.map { StoredDocument($0) }
            let before = entries[name, default: ServiceEntry()].replace(document, madeIn: createRevision)
            storedCount += (document == nil ? 0 : 1) - (before == nil ? 0 : 1)
            if storedCount == 0 { emptiedAt = modRevision }
            if document == nil || before != document { dirty.insert(name) }
        case .endpoint(let name, let id):
            entries[name, default: ServiceEntry()].documents.endpoints[id] = value.map { StoredDocument($0) }
            dirty.insert(name)
        case .node(let name):
            nodes.replace(name, with: value.map { StoredDocument($0) })
        case .accept:
            acceptRevision = value == nil ? 0 : modRevision
        case .outside(let reason):
            let name = KeyLayout.printable(key)
            guard outside.count < StoreListing.mostOutside || outside[name] != nil else { return }
            outside[name] = value == nil ? nil : reason
            findings.set(value == nil ? [] : [(.error, reason)], for: name, now: now)
        }
    }

    /// All events up to a revision have been taken.
    mutating func reached(_ revision: Int64) {
        if let known = history?.revision, revision > known { history?.revision = revision }
    }

    private mutating func replace(_ name: ServiceName, with documents: ServiceDocuments) {
        var entry = entries.removeValue(forKey: name) ?? ServiceEntry()
        if entry.documents != documents {
            entry.documents = documents
            dirty.insert(name)
        }
        entries[name] = entry
    }

    // MARK: - The connection

    mutating func connectionFailed(_ error: EtcdError, now: Timestamp) {
        connectionProblem = SourceProblem(
            kind: error.problem, message: error.message, since: connectionProblem?.since ?? now)
    }

    mutating func connectionStands() { connectionProblem = nil }

    // MARK: - Loss

    private mutating func raise(_ reason: String, acceptableFrom revision: Int64, _ now: Timestamp) {
        if alarm == nil { alarmSince = now }
        alarm = LossAlarm(reason: reason, acceptableFrom: revision)
    }

    private mutating func judge(_ now: Timestamp) {
        if alarm == nil, isComplete, storedCount == 0, servedCount > 0, acceptRevision < emptiedAt {
            raise("all services are gone from \(layout.prefix)", acceptableFrom: emptiedAt, now)
        }
        guard let alarm else { return }
        let isBack = dirty.allSatisfy { name in
            entries[name].map { !$0.isServed || $0.isAsServed(name, layout) } ?? true
        }
        if isBack || acceptRevision >= alarm.acceptableFrom { self.alarm = nil }
    }

    private var alarmProblem: SourceProblem? {
        alarm.map { alarm in
            SourceProblem(
                kind: .dataLost,
                message: "\(alarm.reason); the last good state stays until the store has it again, or until svcctl "
                    + "accept writes the key \(layout.accept), which takes the store as it is", since: alarmSince)
        }
    }

    // MARK: - What is handed out

    /// What is new since the last update; nil for nothing.
    mutating func update(now: Timestamp) -> SourceUpdate? {
        judge(now)
        let problem = alarmProblem
        if problem != nil || hasAlarmFinding {
            findings.set(problem.map { [(.error, $0.message)] } ?? [], for: layout.prefix + "/", now: now)
            hasAlarmFinding = problem != nil
        }
        // An empty prefix may be a wrong one, or a store that was made anew.
        isComplete = isComplete || history != nil && (storedCount > 0 || acceptRevision > 0)
        missingSince = isComplete || history == nil ? nil : missingSince ?? now
        var changes: [ServiceName: Service?] = [:]
        if isComplete, alarm == nil {
            for name in dirty { if let change = settle(name, now) { changes[name] = change } }
            dirty.removeAll(keepingCapacity: dirty.count < 1000)
            nodes.settle(&findings, now: now)
        }
        var update = SourceUpdate(
            changes: changes, isComplete: isComplete, findings: findings.list(now: now), state: state)
        update.nodes = nodes.good
        defer { last = update.withoutChanges }
        return update == last ? nil : update
    }

    private mutating func settle(_ name: ServiceName, _ now: Timestamp) -> Service?? {
        guard let index = entries.index(forKey: name) else { return nil }
        let wasServed = entries.values[index].isServed
        let change = entries.values[index].settle(name, layout, &findings, now: now)
        servedCount += (entries.values[index].isServed ? 1 : 0) - (wasServed ? 1 : 0)
        if entries.values[index].isGone { entries.remove(at: index) }
        return change
    }

    private var state: SourceState {
        guard isComplete else { return .loading(connectionProblem ?? missing) }
        return (alarmProblem ?? connectionProblem).map(SourceState.stale) ?? .current
    }

    private var missing: SourceProblem? {
        missingSince.map { since in
            SourceProblem(
                kind: .missing,
                message: "there is no service under \(layout.prefix)/services/; if that is meant, let svcctl accept "
                    + "write the key \(layout.accept)", since: since)
        }
    }
}
