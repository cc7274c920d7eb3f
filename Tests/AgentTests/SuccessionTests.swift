import Agent
import ServiceModel
import ServiceSource
import Testing

/// Issue 4: when a loop under new settings may follow the one that runs.
@Suite struct SuccessionTests {
    private static func update(_ services: [Service?], isComplete: Bool = true) -> SourceUpdate {
        var changes: [ServiceName: Service?] = [:]
        for case let service? in services { changes[service.name] = service }
        return SourceUpdate(changes: changes, isComplete: isComplete)
    }

    @Test func waitsForEverySource() {
        let succession = Succession(sources: ["file:/a", "etcd:http://b"])
        #expect(succession.verdict([:]) == .waits(for: ["file:/a", "etcd:http://b"]))
        let whole = Self.update([ReconcileEngineTests.service(1)])
        #expect(succession.verdict([0: whole]) == .waits(for: ["etcd:http://b"]))
        let part = Self.update([], isComplete: false)
        #expect(succession.verdict([0: whole, 1: part]) == .waits(for: ["etcd:http://b"]))
        #expect(succession.verdict([0: whole, 1: Self.update([])]) == .ready)
    }

    @Test func losesNoService() {
        let succession = Succession(sources: ["file:/a"]) { $0.scheduler == .maglev ? "no maglev" : nil }
        let services = (1...5).map { number in
            ReconcileEngineTests.service(number) { if number > 1 { $0.scheduler = .maglev } }
        }
        let verdict = succession.verdict([0: Self.update(services)])
        guard case .wouldLose(let lost) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(lost.keys.sorted() == services.dropFirst().map(\.name).sorted())
        #expect("\(verdict)".hasPrefix("4 services would not be served any more: "))
        #expect("\(verdict)".hasSuffix("no maglev; and 1 more"))
        #expect(succession.verdict([0: Self.update([services[0]])]) == .ready)
    }
}
