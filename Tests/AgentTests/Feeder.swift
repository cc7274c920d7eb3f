import Agent
import Dataplane
import ServiceSource
import Synchronization

/// Feeds the loop, one update each time that it is awake, and hears what it says of the sources.
final class Feeder: AgentObserver {
    let news = Mutex<[SourceNews]>([])
    private let updates: Mutex<[SourceUpdate?]>
    private let inbox: Inbox

    /// The last of them stops the loop.
    init(_ updates: [SourceUpdate], _ inbox: Inbox) {
        // Two more rounds, so that the last update reaches the kernel.
        self.updates = Mutex(updates.map { .some($0) } + [nil, nil])
        self.inbox = inbox
    }

    func isAlive() {
        updates.withLock { updates in
            guard !updates.isEmpty else { return inbox.add(.stop) }
            if let update = updates.removeFirst() { inbox.add(update, from: 0) }
        }
    }
    func synchronizationIsPending(changedServices: Int) {}
    func healthChecksChanged(_ checks: [UInt16: HealthChecks.Check]) {}
    func synchronized(_ report: SyncReport, isFull: Bool, took: Duration, engine: EngineCounts) {}
    func synchronizationFailed(_ error: BackendError, failures: Int) {}
    func kernelWasChanged(by changes: [ForeignChange]) {}
    func sourcesSpoke(_ news: SourceNews) { self.news.withLock { $0.append(news) } }
}
