import Agent
import NetAddress
import ServiceModel
import Testing

@Suite struct MergedSourcesTests {
    private static let name = ServiceName(namespace: "test", name: "web")

    private static func service(_ port: UInt16) -> Service {
        var service = Service(name: name)
        service.ports = [ServicePort(name: "", port: port)]
        return service
    }

    @Test func theEarlierSourceWins() {
        var merged = MergedSources(sourceCount: 2)
        #expect(merged.take([Self.name: Self.service(2)], from: 1) == [Self.name: Self.service(2)])
        #expect(merged.conflicts.isEmpty)
        #expect(merged.take([Self.name: Self.service(1)], from: 0) == [Self.name: Self.service(1)])
        #expect(merged.conflicts.map { [$0.winner, $0.loser] } == [[0, 1]])
        // What the later one says does not matter, until the earlier one is silent.
        #expect(merged.take([Self.name: Self.service(3)], from: 1).isEmpty)
        #expect(merged.take([Self.name: nil], from: 0) == [Self.name: Self.service(3)])
        #expect(merged.take([Self.name: nil], from: 1) == [Self.name: nil])
        #expect(merged.conflicts.isEmpty)
    }

    /// Semantics 17.
    @Test func allMustBeComplete() {
        var merged = MergedSources(sourceCount: 2)
        #expect(!merged.isComplete)
        merged.isComplete(source: 1)
        merged.isComplete(source: 1)
        #expect(!merged.isComplete)
        merged.isComplete(source: 0)
        #expect(merged.isComplete)
    }
}
