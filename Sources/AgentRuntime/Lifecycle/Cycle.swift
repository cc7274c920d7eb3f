internal import ServicePlan
internal import Agent
internal import Dataplane
internal import NFTablesBackend
internal import ServiceModel
internal import ServiceSource
internal import Synchronization

/// The loop and its sources under one set of settings, until they are told to stop. The kernel keeps its rules.
final class Cycle: Sendable {
    private let inbox: Inbox
    private let cleansUp = Mutex(false)
    private let tasks = Mutex<[Task<Void, Never>]>([])

    /// Starts.
    ///
    /// - Parameter onEnd: is called once, when the loop has ended: with the reason if it could not go on.
    init(
        _ settings: AgentSettings, _ sources: [any DefinitionSource], _ reporter: Reporter, heartbeat: Duration,
        onEnd: @escaping @Sendable ((any Error)?) -> Void
    ) {
        let inbox = Inbox()
        self.inbox = inbox
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
        tasks.withLock { $0 = pumps + [loop] }
    }

    /// Compares everything with the kernel.
    func compare() { inbox.add(.compare) }

    /// Stops, and waits until the loop has ended.
    ///
    /// - Parameter cleansUp: whether everything of ours is removed from the kernel.
    func stop(cleansUp: Bool = false) async {
        self.cleansUp.withLock { $0 = cleansUp }
        inbox.add(.stop)
        let tasks = tasks.withLock { $0 }
        for pump in tasks.dropLast() { pump.cancel() }
        for task in tasks { await task.value }
    }

    private func run(
        _ settings: AgentSettings, _ sources: [String], _ reporter: Reporter, _ heartbeat: Duration
    ) throws {
        var setup = AgentLoop<NFTablesBackend>.Setup()
        setup.node = settings.node
        if setup.node.addresses == nil { setup.node.addresses = NodeAddresses.current() }
        setup.schedule = settings.schedule
        setup.sources = sources
        setup.heartbeat = heartbeat
        setup.refusal = { service in NFTablesBackend.limits(of: service).first { $0.isRefused }?.message }
        var loop = AgentLoop(
            NFTablesBackend(options: settings.layout), setup: setup, inbox: inbox, observer: reporter)
        try loop.run()
        guard cleansUp.withLock({ $0 }) else { return }
        let removed = try loop.engine.backend.removeAll().removed
        reporter.say(.stopping, "removed \(removed) tables from the kernel")
    }
}

extension AgentSettings {
    /// What of it shapes the rules.
    var layout: LayoutOptions { LayoutOptions(node: node, masqueradeBit: masqueradeBit) }
}
