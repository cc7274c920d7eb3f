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
    /// - Throws: ``WrongSource``; an error of the kernel's if the node's addresses cannot be read.
    /// - Parameter whenHeard: is called each time that a source has said something, with all that waits for the loop.
    init(
        _ settings: AgentSettings, _ reporter: Reporter,
        whenHeard: (@Sendable ([Int: SourceUpdate]) -> Void)? = nil
    ) throws {
        let sources = try SourceFactory.sources(settings)
        let inbox = Inbox()
        self.inbox = inbox
        self.settings = settings
        self.reporter = reporter
        sourceNames = sources.map(\.name)
        addresses = settings.node.addresses == nil ? try AddressWatcher() : nil
        let pumps = sources.enumerated().map { index, source in
            Task {
                for await update in source.updates() {
                    inbox.add(update, from: index)
                    if let whenHeard { inbox.peek(whenHeard) }
                }
            }
        }
        let watcher = Task { [addresses] in
            _ = try? await onOwnThread {
                addresses?.run { reporter.say($0, to: inbox) }
            }
        }
        self.pumps.withLock { $0 = pumps + [watcher] }
    }

    /// Starts the loop.
    ///
    /// - Parameter onEnd: is called once, when the loop has ended: with the reason if it could not go on.
    func begin(heartbeat: Duration, onEnd: @escaping @Sendable ((any Error)?) -> Void) {
        let task = Task { [self] in
            do {
                try await onOwnThread { [self] in try run(heartbeat) }
                onEnd(nil)
            } catch {
                onEnd(error)
            }
        }
        loop.withLock { $0 = task }
    }

    /// When another cycle may follow this one.
    func succession(to next: AgentSettings) throws -> Succession {
        let names = try SourceFactory.sources(next).map(\.name)
        let (old, new) = (settings.backendName, next.backendName)
        guard old != new else { return Succession(sources: names) }
        let before = settings.node(with: addresses)
        let after = next.node(with: addresses)
        return Succession(sources: names) {
            old.refusal(of: $0, on: before) == nil ? new.refusal(of: $0, on: after) : nil
        }
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

    private func run(_ heartbeat: Duration) throws {
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
    fileprivate var backendName: BackendName { BackendName(rawValue: backend) ?? .nftables }

    /// Finds out whether the backend could work in this kernel as things are now; nothing is changed.
    func checkBackend() throws { try backendName.check(layout) }

    /// What of it shapes the rules.
    var layout: LayoutOptions {
        var layout = LayoutOptions(node: node, masqueradeBit: masqueradeBit)
        layout.isProtected = protects
        layout.recordPath = socket + ".record"
        return layout
    }
}

extension AgentSettings {
    /// The node, with the addresses that it had at first where nobody says them.
    fileprivate func node(with watcher: AddressWatcher?) -> NodeFacts {
        var facts = node
        if facts.addresses == nil { facts.addresses = watcher?.first }
        return facts
    }
}
