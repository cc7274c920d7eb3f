import Agent
import Dataplane
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import ServiceSource
import Synchronization
import Testing

/// The loop on the real kernel, with word left in its inbox as sources would.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct AgentLoopTests {
    /// Notes what it is told, and lets tests wait for it.
    private final class Observer: AgentObserver {
        struct Seen {
            var synchronizations = 0
            var culprits: [String?] = []
            var failures = 0
        }
        let seen = Mutex(Seen())
        let whenSourcesSpoke = Mutex<(@Sendable () -> Void)?>(nil)

        func isAlive() {}
        func synchronizationIsPending(changedServices: Int) {}
        func healthChecksChanged(_ checks: [UInt16: HealthChecks.Check]) {}
        func synchronized(_ report: SyncReport, isFull: Bool, took: Duration, engine: EngineCounts) {
            seen.withLock { $0.synchronizations += 1 }
        }
        func synchronizationFailed(_ error: BackendError, failures: Int) { seen.withLock { $0.failures += 1 } }
        func kernelWasChanged(by changes: [ForeignChange]) {
            seen.withLock { $0.culprits += changes.map(\.processName) }
        }
        func sourcesSpoke(_ news: SourceNews) { whenSourcesSpoke.withLock { $0 }?() }
    }

    /// A loop that runs in a namespace of its own on a thread of its own.
    private final class Running: Sendable {
        let namespace: NetworkNamespace
        let inbox: Inbox
        let observer = Observer()
        private let run: BackgroundRun

        init(_ namespace: NetworkNamespace, sourceCount: Int = 1) throws {
            self.namespace = namespace
            let (inbox, observer) = (try Inbox(), observer)
            self.inbox = inbox
            run = try BackgroundRun(in: namespace) {
                var setup = LoopSetup()
                setup.sources = (0..<sourceCount).map { "source \($0)" }
                var loop = AgentLoop(
                    NFTablesBackend(options: LayoutOptions()), setup: setup, inbox: inbox, observer: observer)
                try loop.run()
            }
        }

        deinit { try? stop() }

        func say(_ services: [Service], removed: [Service] = [], from source: Int = 0, isComplete: Bool = true) {
            var news = SourceUpdate(isComplete: isComplete, state: .current)
            for service in services { news.changes[service.name] = service }
            for service in removed { news.changes.updateValue(nil, forKey: service.name) }
            inbox.add(news, from: source)
        }

        func stop() throws {
            inbox.add(.stop)
            try run.wait()
        }

        /// Waits until something is so; the kernel is asked again and again.
        func until(_ isSo: () throws -> Bool) async throws -> Bool {
            for _ in 0..<500 {
                if try isSo() { return true }
                try await Task.sleep(for: .milliseconds(10))
            }
            return false
        }

        func lists(_ text: String) throws -> Bool {
            try namespace.tool(["nft", "list", "ruleset"]).contains(text)
        }
    }

    private static func service(_ number: Int, _ endpoints: [UInt32] = [1, 2]) -> Service {
        ReconcileEngineTests.service(number, endpoints: endpoints)
    }

    /// Semantics 17: nothing is written before every source is complete.
    @Test func waitsForAllSources() async throws {
        let running = try Running(NetworkNamespace("agent"), sourceCount: 2)
        running.say([Self.service(1)], from: 0)
        running.say([Self.service(2)], from: 1, isComplete: false)
        try await Task.sleep(for: .milliseconds(200))
        #expect(try running.namespace.tool(["nft", "list", "ruleset"]) == "")
        running.say([], from: 1)
        #expect(try await running.until { try running.lists("10.96.0.1 . tcp") && running.lists("10.96.0.2 . tcp") })
        try running.stop()
        // The rules stay when the agent goes.
        #expect(try running.lists("10.96.0.1 . tcp"))
    }

    /// Who waits for a change waits for the kernel, not for metrics and logs.
    @Test func carriesOutBeforeItTells() async throws {
        let running = try Running(NetworkNamespace("agent"))
        running.say([Self.service(1)])
        #expect(try await running.until { try running.lists("10.96.0.1 . tcp . 80 . 1 : 10.244.1.2 . 80") })
        let rules = Mutex("")
        let namespace = running.namespace
        running.observer.whenSourcesSpoke.withLock { told in
            told = {
                let now = (try? namespace.tool(["nft", "list", "ruleset"])) ?? "nothing"
                rules.withLock { $0 = now }
            }
        }
        // A change that comes too soon after another one is told of while it waits.
        var isTold: [Bool] = []
        for number in 7...16 where !isTold.contains(true) {
            try await Task.sleep(for: .milliseconds(100))
            rules.withLock { $0 = "" }
            running.say([Self.service(1, [1, UInt32(number)])])
            #expect(try await running.until { rules.withLock { !$0.isEmpty } })
            isTold.append(rules.withLock { $0.contains("10.244.1.\(number) ") })
        }
        #expect(isTold.contains(true))
        try running.stop()
    }

    @Test func followsAndMends() async throws {
        let running = try Running(NetworkNamespace("agent"))
        running.say([Self.service(1), Self.service(2)])
        #expect(try await running.until { try running.lists("10.96.0.2 . tcp . 80 . 1 : 10.244.1.2 . 80") })
        running.say([Self.service(2, [1, 7])], removed: [Self.service(1)])
        #expect(try await running.until { try running.lists("10.244.1.7") && !running.lists("10.96.0.1") })

        try running.namespace.nft("delete element ip svcctl endpoints_2 { 10.96.0.2 . tcp . 80 . 1 }\n")
        #expect(try await running.until { try running.lists("10.96.0.2 . tcp . 80 . 1 : 10.244.1.7 . 80") })
        try running.namespace.nft("flush ruleset\n")
        #expect(try await running.until { try running.lists("10.96.0.2 . tcp . 80 . 1 : 10.244.1.7 . 80") })
        #expect(running.observer.seen.withLock { Set($0.culprits) } == ["nft"])
        // Others' tables are none of its business.
        let before = running.observer.seen.withLock(\.synchronizations)
        try running.namespace.nft("add table ip other\nadd chain ip other c\n")
        try await Task.sleep(for: .milliseconds(200))
        #expect(running.observer.seen.withLock(\.synchronizations) == before)
        #expect(running.observer.seen.withLock(\.failures) == 0)
        try running.stop()
    }

    /// A second start finds everything as it is and changes nothing: established connections and counters are safe.
    @Test func restartsWithoutAChange() async throws {
        let namespace = try NetworkNamespace("agent")
        var generations: [String] = []
        for _ in 0..<2 {
            let running = try Running(namespace)
            running.say((0..<50).map { Self.service($0) })
            #expect(try await running.until { running.observer.seen.withLock { $0.synchronizations > 0 } })
            try running.stop()
            generations.append(try namespace.tool(["nft", "list", "ruleset"]))
            #expect(try running.lists("10.96.0.49 . tcp"))
        }
        #expect(generations[0] == generations[1])
    }
}
