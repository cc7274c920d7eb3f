import Agent
import Dataplane
import ServiceModel
import ServicePlan
import ServiceSource
import Synchronization
import Testing

/// What the loop tells, without a kernel.
@Suite struct AgentTellingTests {
    private final class Observer: AgentObserver {
        struct Seen {
            /// Changed services of each time that something was pending.
            var pending: [Int] = []
            /// The ports of each time that health checks changed.
            var healthChecks: [[UInt16]] = []
        }
        let seen = Mutex(Seen())

        func isAlive() {}
        func synchronizationIsPending(changedServices: Int) { seen.withLock { $0.pending.append(changedServices) } }
        func healthChecksChanged(_ checks: [UInt16: HealthChecks.Check]) {
            seen.withLock { $0.healthChecks.append(checks.keys.sorted()) }
        }
        func synchronized(_ report: SyncReport, isFull: Bool, took: Duration, engine: EngineCounts) {}
        func synchronizationFailed(_ error: BackendError, failures: Int) {}
        func kernelWasChanged(by changes: [ForeignChange]) {}
        func sourcesSpoke(_ news: SourceNews) {}
    }

    /// What the loop tells of one update from each source.
    private static func told(of updates: SourceUpdate...) throws -> Observer.Seen {
        let (inbox, observer) = (try Inbox(), Observer())
        var setup = LoopSetup()
        setup.sources = updates.indices.map { "source \($0)" }
        for (source, update) in updates.enumerated() { inbox.add(update, from: source) }
        inbox.add(.stop)
        var loop = AgentLoop(
            FakeBackend(kernel: FakeBackend.Kernel()), setup: setup, inbox: inbox, observer: observer)
        try loop.run()
        return observer.seen.withLock { $0 }
    }

    private static func update(_ number: Int, isComplete: Bool = true) -> SourceUpdate {
        let service = ReconcileEngineTests.service(number) { service in
            service.externalTrafficPolicy = .local
            service.healthCheckNodePort = 32000 + UInt16(number)
        }
        return SourceUpdate(changes: [service.name: service], isComplete: isComplete)
    }

    /// A source that does not answer is no change that waits: `/livez` must not fail because etcd is away.
    @Test func nothingIsPendingBeforeSourcesAreComplete() throws {
        #expect(try Self.told(of: SourceUpdate()).pending == [])
        #expect(try Self.told(of: Self.update(1), SourceUpdate()).pending == [])
        #expect(try Self.told(of: Self.update(1), Self.update(2)).pending == [2])
    }

    /// A reload starts a new loop: ports stay open while its sources are read, and close if nothing has them any more.
    @Test func healthChecksAreToldWhenSourcesAreComplete() throws {
        #expect(try Self.told(of: Self.update(1), SourceUpdate()).healthChecks == [])
        #expect(try Self.told(of: Self.update(1), Self.update(2)).healthChecks == [[32001, 32002]])
        #expect(try Self.told(of: SourceUpdate(isComplete: true)).healthChecks == [[]])
    }

    /// What could not be done then, such as removing another backend's rules, is tried again at full comparisons.
    @Test func triesAgainWhenInPlace() throws {
        let inbox = try Inbox()
        let calls = Counter()
        var setup = LoopSetup()
        setup.sources = ["source"]
        setup.schedule.minSyncPeriod = .zero
        setup.whenInPlace = {
            let count = calls.next()
            inbox.add(.compare)
            if count == 2 { inbox.add(.stop) }
            return count == 2
        }
        inbox.add(Self.update(1), from: 0)
        // So that the test ends in any case.
        setup.heartbeat = .milliseconds(10)
        let beats = Beats { if $0 == 100 { inbox.add(.stop) } }
        var loop = AgentLoop(FakeBackend(kernel: FakeBackend.Kernel()), setup: setup, inbox: inbox, observer: beats)
        try loop.run()
        #expect(calls.next() == 3)
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)

        func next() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }
    }

    /// Counts the loop's signs of life.
    private final class Beats: AgentObserver {
        private let count = Counter()
        private let body: @Sendable (Int) -> Void

        init(_ body: @escaping @Sendable (Int) -> Void) { self.body = body }

        func isAlive() { body(count.next()) }
        func synchronizationIsPending(changedServices: Int) {}
        func healthChecksChanged(_ checks: [UInt16: HealthChecks.Check]) {}
        func synchronized(_ report: SyncReport, isFull: Bool, took: Duration, engine: EngineCounts) {}
        func synchronizationFailed(_ error: BackendError, failures: Int) {}
        func kernelWasChanged(by changes: [ForeignChange]) {}
        func sourcesSpoke(_ news: SourceNews) {}
    }
}
