import Agent
import Dataplane
import ServiceModel
import ServicePlan
import ServiceSource
import Synchronization
import Testing

/// What becomes of services when the node's addresses change.
@Suite struct NodeAddressTests {
    /// Does the next step after each synchronization, and notes what it is told.
    private final class Steps: AgentObserver {
        struct Seen {
            /// Unfit services of each time that sources were spoken of.
            var unfit: [[ServiceName]] = []
            /// How many frontends there were after each synchronization.
            var frontends: [Int] = []
            /// The ports of each time that health checks changed.
            var healthChecks: [[UInt16]] = []
        }
        let seen = Mutex(Seen())
        private let steps: Mutex<[@Sendable () -> Void]>

        init(_ steps: [@Sendable () -> Void]) { self.steps = Mutex(steps) }

        func isAlive() {}
        func synchronizationIsPending(changedServices: Int) {}
        func healthChecksChanged(_ checks: [UInt16: HealthChecks.Check]) {
            seen.withLock { $0.healthChecks.append(checks.keys.sorted()) }
        }
        func synchronized(_ report: SyncReport, isFull: Bool, took: Duration, engine: EngineCounts) {
            seen.withLock { $0.frontends.append(engine.frontends) }
            steps.withLock { $0.isEmpty ? nil : $0.removeFirst() }?()
        }
        func synchronizationFailed(_ error: BackendError, failures: Int) {}
        func kernelWasChanged(by changes: [ForeignChange]) {}
        func sourcesSpoke(_ news: SourceNews) { seen.withLock { $0.unfit.append(news.unfit.keys.sorted()) } }
    }

    /// They decide at once, not at the service's next change.
    @Test func addressesDecideWhatIsServed() throws {
        let inbox = try Inbox()
        let service = ReconcileEngineTests.service(1) { service in
            service.externalTrafficPolicy = .local
            service.healthCheckNodePort = 32001
        }
        let observer = Steps([
            { inbox.add(addresses: Set(service.clusterIPs)) }, { inbox.add(addresses: []) }, { inbox.add(.stop) },
        ])
        var setup = LoopSetup()
        setup.sources = ["source"]
        setup.node.addresses = []
        setup.schedule.minSyncPeriod = .zero
        setup.refusal = { service, node in
            node.addresses?.isDisjoint(with: service.clusterIPs) == false ? "the node's own" : nil
        }
        setup.heartbeat = .milliseconds(10)
        inbox.add(SourceUpdate(changes: [service.name: service], isComplete: true), from: 0)
        var loop = AgentLoop(
            FakeBackend(kernel: FakeBackend.Kernel()), setup: setup, inbox: inbox, observer: observer)
        try loop.run()
        let seen = observer.seen.withLock { $0 }
        #expect(seen.unfit == [[], [service.name], []])
        #expect(seen.frontends == [1, 0, 1])
        #expect(seen.healthChecks == [[32001], [], [32001]])
    }
}
