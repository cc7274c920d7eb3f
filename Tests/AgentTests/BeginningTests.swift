import Agent
import ServiceModel
import ServicePlan
import ServiceSource
import Synchronization
import Testing

/// A loop that must not begin yet, since another backend's rules serve more than it would.
@Suite struct BeginningTests {
    /// What the kernel was written, and the services that the loop asked about each time.
    private static func run(
        _ updates: [SourceUpdate], mayBegin: @escaping @Sendable ([Service]) -> Bool
    ) throws -> (kernel: FakeBackend.Kernel, asked: [[String]]) {
        let (inbox, kernel, asked) = (try Inbox(), FakeBackend.Kernel(), Questions())
        var setup = LoopSetup()
        setup.sources = ["source"]
        setup.schedule.minSyncPeriod = .zero
        setup.heartbeat = .milliseconds(1)
        setup.refusal = { service, _ in service.scheduler == .maglev ? "no maglev" : nil }
        setup.mayBegin = { services, _ in
            asked.lists.withLock { $0.append(services.map(\.name.name).sorted()) }
            return mayBegin(services)
        }
        var loop = AgentLoop(
            FakeBackend(kernel: kernel), setup: setup, inbox: inbox, observer: Feeder(updates, inbox))
        try loop.run()
        return (kernel, asked.lists.withLock { $0 })
    }

    private final class Questions: Sendable {
        let lists = Mutex<[[String]]>([])
    }

    private static func update(_ services: Service..., isComplete: Bool = true) -> SourceUpdate {
        SourceUpdate(changes: Dictionary(services.map { ($0.name, $0) }) { $1 }, isComplete: isComplete)
    }

    private static let plain = ReconcileEngineTests.service(1)
    private static let maglev = ReconcileEngineTests.service(2) { $0.scheduler = .maglev }

    @Test func writesNothingBeforeItMay() throws {
        let more = ReconcileEngineTests.service(3)
        let updates = [Self.update(Self.plain, isComplete: false), Self.update(Self.maglev), Self.update(more)]
        let (kernel, asked) = try Self.run(updates) { $0.isEmpty }
        #expect(asked == [["s2"], ["s2"]], "when every source is complete, and at each change")
        #expect(kernel.calls == 0 && kernel.objects.isEmpty)
    }

    @Test func beginsWhenThatIsMended() throws {
        let mended = ReconcileEngineTests.service(2)
        let updates = [Self.update(Self.plain, Self.maglev), Self.update(mended), Self.update(Self.maglev)]
        let (kernel, asked) = try Self.run(updates) { $0.isEmpty }
        #expect(asked == [["s2"], []], "and is asked no more")
        #expect(kernel.objects.values.filter { $0.hasPrefix("test/") }.count == 2)
    }
}
