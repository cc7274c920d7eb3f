import ServiceModel
import ServiceSource
import Testing

struct MergingTests {
    let early = Timestamp(milliseconds: 1000)

    private func update(_ services: [String: Int?], isComplete: Bool = true) -> SourceUpdate {
        var changes: [ServiceName: Service?] = [:]
        for (name, number) in services {
            changes[ServiceName(namespace: "shop", name: name)] = .some(number.map { service(name, $0) })
        }
        return SourceUpdate(changes: changes, isComplete: isComplete, state: isComplete ? .current : .loading(nil))
    }

    @Test func completeWhenAllAre() {
        var sources = MergedSources(names: ["one", "two"])
        #expect(!sources.receive(update(["a": 1]), from: 1).isComplete)
        let merged = sources.receive(update(["b": 2]), from: 0)
        #expect(merged.isComplete)
        #expect(merged.state == .current)
        #expect(merged.changes.count == 1)
    }

    /// The order of arrival means nothing.
    @Test func theFirstNamedWins() {
        var sources = MergedSources(names: ["one", "two"])
        let name = ServiceName(namespace: "shop", name: "a")
        _ = sources.receive(update(["a": 2]), from: 1)
        var merged = sources.receive(update(["a": 1]), from: 0, now: early)
        #expect(merged.changes == [name: service("a", 1)])
        #expect(merged.findings.map(\.document) == ["service shop/a"])
        #expect(merged.findings.first?.since == early)
        #expect(sources.receive(update(["a": 3]), from: 1).changes.isEmpty)
        merged = sources.receive(update(["a": nil]), from: 0)
        #expect(merged.changes == [name: service("a", 3)])
        #expect(merged.findings.isEmpty)
        merged = sources.receive(update(["a": nil]), from: 1)
        #expect(merged.changes == [name: nil])
    }

    @Test func theOldestProblemSpeaks() {
        var sources = MergedSources(names: ["one", "two"])
        var stale = update([:])
        stale.state = .stale(SourceProblem(kind: .missing, message: "it went", since: early))
        _ = sources.receive(update([:]), from: 1)
        let merged = sources.receive(stale, from: 0)
        #expect(merged.state.problem?.message == "one: it went")
        #expect(merged.state.staleKind == .missing)
        #expect(sources.states[1] == .current)
    }

    /// What nobody has taken yet becomes one update.
    @Test func pendingUpdatesAreSquashed() async throws {
        let (updates, mailbox) = SourceUpdates.makeMailbox()
        mailbox.post(update(["a": 1, "b": 1], isComplete: false))
        mailbox.post(update(["a": 2, "b": nil]))
        mailbox.finish()
        var iterator = updates.makeAsyncIterator()
        let merged = try #require(await iterator.next())
        let name = ServiceName(namespace: "shop", name: "a")
        #expect(merged.changes == [name: service("a", 2), ServiceName(namespace: "shop", name: "b"): nil])
        #expect(merged.isComplete)
        #expect(await iterator.next() == nil)
    }

    @Test func findingsKeepTheirTime() {
        var board = FindingBoard()
        board.set([(.error, "x")], for: "doc", now: early)
        let later = Timestamp(milliseconds: 2000)
        #expect(board.set([(.error, "x"), (.warning, "y")], for: "doc", now: later).map(\.message) == ["y"])
        #expect(board.list(now: later).map(\.since) == [early, later])
        board.set([], for: "doc", now: later)
        #expect(board.list(now: later).isEmpty)
        #expect(Timestamp(milliseconds: 1_772_366_400_000).description == "2026-03-01T12:00:00Z")
    }
}
