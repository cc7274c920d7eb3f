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
    private let inbox: Inbox
    private let cleansUp = Mutex(false)
    private let tasks = Mutex<[Task<Void, Never>]>([])
    /// Nil where the addresses are given, and so do not change.
    private let addresses: AddressWatcher?

    /// Starts.
    ///
    /// - Throws: if the node's addresses cannot be read.
    /// - Parameter onEnd: is called once, when the loop has ended: with the reason if it could not go on.
    init(
        _ settings: AgentSettings, _ sources: [any DefinitionSource], _ reporter: Reporter, heartbeat: Duration,
        onEnd: @escaping @Sendable ((any Error)?) -> Void
    ) throws {
        let inbox = Inbox()
        self.inbox = inbox
        addresses = settings.node.addresses == nil ? try AddressWatcher() : nil
        let pumps = sources.enumerated().map { index, source in
            Task { for await update in source.updates() { inbox.add(update, from: index) } }
        }
        let loop = Task { [self] in
            do {
                try await onOwnThread { [self] in
                    try run(settings, sources.map(\.name), reporter, heartbeat)
                }
                onEnd(nil)
            } catch {
                onEnd(error)
            }
        }
        let watcher = Task { [addresses] in
            _ = try? await onOwnThread {
                addresses?.run { addresses in
                    reporter.say(.addresses, "the node has \(addresses.count) addresses now", .debug)
                    inbox.add(addresses: addresses)
                }
            }
        }
        tasks.withLock { $0 = pumps + [watcher, loop] }
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
        let tasks = tasks.withLock { $0 }
        for pump in tasks.dropLast() { pump.cancel() }
        for task in tasks { await task.value }
    }

    private func run(
        _ settings: AgentSettings, _ sources: [String], _ reporter: Reporter, _ heartbeat: Duration
    ) throws {
        let backend = settings.backendName
        if settings.protects {
            var protected = NFTablesBackend(options: settings.layout)
            try protected.checkProtection()
        }
        var setup = LoopSetup()
        setup.node = settings.node
        if let addresses { setup.node.addresses = addresses.first }
        setup.schedule = settings.schedule
        setup.sources = sources
        setup.heartbeat = heartbeat
        setup.refusal = { service, node in
            backend.limits(of: service, on: node).first { $0.isRefused }?.message
        }
        // Only now, so that no connection meets a node without rules (semantics 63).
        setup.whenInPlace = { Self.remove(backend.others, reporter) }
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

extension AgentSettings {
    fileprivate var backendName: BackendName { BackendName(rawValue: backend) ?? .nftables }

    /// Finds out whether the backend could work in this kernel as things are now; nothing is changed.
    func checkBackend() throws { try backendName.check(layout) }

    /// What of it shapes the rules.
    var layout: LayoutOptions {
        var layout = LayoutOptions(node: node, masqueradeBit: masqueradeBit)
        layout.isProtected = protects
        return layout
    }
}
