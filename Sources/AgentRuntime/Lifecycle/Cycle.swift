internal import ServicePlan
internal import Agent
internal import Dataplane
internal import Logging
internal import Backends
internal import NFTablesBackend
internal import ServiceModel
internal import ServiceSource
internal import Synchronization

/// The loop and its sources under one set of settings, until they are told to stop. The kernel keeps its rules.
final class Cycle: Sendable {
    let settings: AgentSettings
    private let sourceNames: [String]
    private let reporter: Reporter
    private let inbox: Inbox
    private let cleansUp = Mutex(false)
    private let pumps = Mutex<[Task<Void, Never>]>([])
    private let loop = Mutex<Task<Void, Never>?>(nil)
    /// Nil where the addresses are given, and so do not change.
    private let addresses: AddressWatcher?

    /// Starts to listen to the sources. Nothing is done about what they say before ``begin(heartbeat:onEnd:)``.
    ///
    /// - Throws: ``WrongSource``; an error of the kernel's if the node's addresses cannot be read, or no file can be opened.
    /// - Parameter whenHeard: is called each time that something new waits for the loop.
    init(
        _ settings: AgentSettings, _ reporter: Reporter, whenHeard: @escaping @Sendable () -> Void = {}
    ) throws {
        let sources = try SourceFactory.sources(settings)
        let inbox = try Inbox()
        self.inbox = inbox
        self.settings = settings
        self.reporter = reporter
        sourceNames = sources.map(\.name)
        addresses = settings.node.addresses == nil ? try AddressWatcher() : nil
        let pumps = sources.enumerated().map { index, source in
            Task {
                for await update in source.updates() {
                    inbox.add(update, from: index)
                    whenHeard()
                }
            }
        }
        let watcher = Task { [addresses] in
            guard let addresses else { return }
            let tell: @Sendable (AddressWatcher.News) -> Void = { news in
                reporter.say(news, to: inbox)
                whenHeard()
            }
            await Self.watch(addresses, tell)
        }
        self.pumps.withLock { $0 = pumps + [watcher] }
    }

    /// Follows the node's addresses, as soon as there can be a thread for that.
    private static func watch(_ addresses: AddressWatcher, _ tell: @escaping @Sendable (AddressWatcher.News) -> Void)
        async
    {
        var pause = RetryPause(first: .milliseconds(100), longest: .seconds(10))
        while !Task.isCancelled {
            do {
                return try await onOwnThread { addresses.run(tell) }
            } catch {
                if pause.failures == 0 { tell(.problem("\(error)")) }
                try? await Task.sleep(for: pause.failed(jitter: .random(in: 0..<1)))
            }
        }
    }

    /// Starts the loop.
    ///
    /// - Parameters:
    ///   - predecessor: another backend, whose rules are in the kernel. While a service would be lost that it can serve and
    ///     this cycle's cannot, nothing is done, and `onLoss` is called each time that this is found.
    ///   - onEnd: is called once, when the loop has ended: with the reason if it could not go on.
    func begin(
        after predecessor: BackendName? = nil, heartbeat: Duration, onLoss: @escaping @Sendable () -> Void,
        onEnd: @escaping @Sendable ((any Error)?) -> Void
    ) {
        let mayBegin: @Sendable ([Service], NodeFacts) -> Bool = { heldBack, node in
            guard let predecessor, heldBack.contains(where: { predecessor.refusal(of: $0, on: node) == nil }) else {
                return true
            }
            onLoss()
            return false
        }
        let task = Task { [self] in
            do {
                try await onOwnThread { [self] in try run(heartbeat, mayBegin) }
                onEnd(nil)
            } catch {
                onEnd(error)
            }
        }
        loop.withLock { $0 = task }
    }

    /// Whether this cycle, which has not begun, may follow another one, by all that waits for it and the node's addresses
    /// of now.
    func verdict(following old: Cycle) -> Succession.Verdict {
        var succession = Succession(sources: sourceNames)
        let (before, after) = (old.settings.backendName, settings.backendName)
        if before != after {
            let watcher = addresses ?? old.addresses
            let (nodeBefore, nodeAfter) = (old.settings.node(with: watcher), settings.node(with: watcher))
            succession = Succession(sources: sourceNames) {
                before.refusal(of: $0, on: nodeBefore) == nil ? after.refusal(of: $0, on: nodeAfter) : nil
            }
        }
        var verdict = Succession.Verdict.ready
        inbox.peek { verdict = succession.verdict($0) }
        return verdict
    }

    /// Compares everything with the kernel.
    func compare() { inbox.add(.compare) }

    /// Stops, and waits until the loop has ended.
    ///
    /// - Parameter cleansUp: whether everything of ours is removed from the kernel.
    func stop(cleansUp: Bool = false) async {
        self.cleansUp.withLock { $0 = cleansUp }
        addresses?.stop()
        inbox.add(.stop)
        let pumps = pumps.withLock { $0 }
        for pump in pumps { pump.cancel() }
        for pump in pumps { await pump.value }
        await loop.withLock { $0 }?.value
    }

    private func run(
        _ heartbeat: Duration, _ mayBegin: @escaping @Sendable ([Service], NodeFacts) -> Bool
    ) throws {
        let backend = settings.backendName
        if settings.protects {
            var protected = NFTablesBackend(options: settings.layout)
            try protected.checkProtection()
        }
        var setup = LoopSetup()
        setup.node = settings.node(with: addresses)
        setup.schedule = settings.schedule
        setup.sources = sourceNames
        setup.heartbeat = heartbeat
        setup.refusal = { backend.refusal(of: $0, on: $1) }
        setup.mayBegin = mayBegin
        // Only now, so that no connection meets a node without rules (semantics 63).
        setup.whenInPlace = { [reporter] in Self.remove(backend.others, reporter) }
        try backend.visit(Run(layout: settings.layout, setup: setup, inbox: inbox, reporter: reporter))
        guard cleansUp.withLock({ $0 }) else { return }
        Self.remove([backend], reporter)
    }

    /// - Returns: whether nothing of theirs is there any more.
    @discardableResult
    private static func remove(_ backends: [BackendName], _ reporter: Reporter) -> Bool {
        var isDone = true
        for backend in backends {
            do {
                guard try !backend.removeAll().isEmpty else { continue }
                reporter.say(.removed, "the rules of the \(backend.rawValue) backend were removed from the kernel")
            } catch {
                isDone = false
                reporter.say(
                    .failed, "the rules of the \(backend.rawValue) backend may be in the kernel still: \(error)",
                    .warning)
            }
        }
        return isDone
    }

    /// Runs the loop with a backend until it is told to stop.
    private struct Run: BackendVisitor {
        let layout: LayoutOptions
        let setup: LoopSetup
        let inbox: Inbox
        let reporter: Reporter

        func visit<Backend: NodeBackend & ~Copyable>(_: Backend.Type) throws {
            var loop = AgentLoop(Backend(options: layout), setup: setup, inbox: inbox, observer: reporter)
            try loop.run()
        }
    }
}

extension Reporter {
    /// Passes on to a loop what the watcher of addresses says, and says it.
    fileprivate func say(_ news: AddressWatcher.News, to inbox: Inbox) {
        switch news {
        case .addresses(let addresses):
            say(.addresses, "the node has \(addresses.count) addresses now", .debug)
            inbox.add(addresses: addresses)
        case .problem(let reason):
            say(.failed, "the node's addresses cannot be followed, and those known last stay: \(reason)", .error)
        case .mended: say(.mended, "the node's addresses can be followed again")
        }
    }
}

extension BackendName {
    /// Why a service is not served at all.
    fileprivate func refusal(of service: Service, on node: NodeFacts) -> String? {
        limits(of: service, on: node).first { $0.isRefused }?.message
    }
}

extension AgentSettings {
    var backendName: BackendName { BackendName(rawValue: backend) ?? .nftables }

    /// Finds out whether the backend could work in this kernel as things are now; nothing is changed.
    func checkBackend() throws { try backendName.check(layout) }

    /// Another backend that has rules in the kernel and could go on with them; nil if there is none.
    var backendInKernel: BackendName? {
        backendName.others.first { other in
            guard let frontends = try? other.status(withEndpoints: false), !frontends.isEmpty else { return false }
            return (try? with(other).checkBackend()) != nil
        }
    }

    /// The same settings for another backend.
    func with(_ backend: BackendName) -> AgentSettings {
        var settings = self
        settings.backend = backend.rawValue
        // Only one of them has that.
        settings.protects = protects && backend == backendName
        return settings
    }

    /// What of it shapes the rules.
    var layout: LayoutOptions {
        var layout = LayoutOptions(node: node, masqueradeBit: masqueradeBit)
        layout.isProtected = protects
        layout.recordPath = socket + ".record"
        return layout
    }
}

extension AgentSettings {
    /// The node, with the addresses that it has where nobody says them.
    fileprivate func node(with watcher: AddressWatcher?) -> NodeFacts {
        var facts = node
        if facts.addresses == nil { facts.addresses = watcher?.latest }
        return facts
    }
}
