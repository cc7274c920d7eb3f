import Agent
import ServiceModel
import ServicePlan
import ServiceSource
import Synchronization
import Testing

/// What the loop makes of the cluster's word on its node.
@Suite struct ClusterNodeTests {
    private static func update(_ nodes: ClusterNode..., services: [Service] = [], isComplete: Bool = true)
        -> SourceUpdate
    {
        var update = SourceUpdate(
            changes: Dictionary(services.map { ($0.name, $0) }) { $1 }, isComplete: isComplete)
        update.nodes = Dictionary(nodes.map { ($0.name, $0) }) { $1 }
        return update
    }

    /// What is told of the node after each update of one source, and what the kernel has in the end.
    private static func run(
        _ updates: [SourceUpdate], zone: String? = nil, name: String? = "node-a"
    ) throws -> (told: [ClusterNode?], kernel: FakeBackend.Kernel) {
        let (inbox, kernel) = (try Inbox(), FakeBackend.Kernel())
        var setup = LoopSetup()
        setup.node = NodeFacts(nodeName: name, zone: zone)
        setup.sources = ["source"]
        setup.schedule.minSyncPeriod = .zero
        setup.heartbeat = .milliseconds(1)
        let feeder = Feeder(updates, inbox)
        var loop = AgentLoop(FakeBackend(kernel: kernel), setup: setup, inbox: inbox, observer: feeder)
        try loop.run()
        return (feeder.news.withLock { $0.map(\.node) }, kernel)
    }

    /// Only this node's object counts. When one that was about to go is not there any more, the node is gone.
    @Test func tellsOfItsOwnNode() throws {
        let (stays, goes) = (ClusterNode(name: "node-a"), ClusterNode(name: "node-a", deletion: .taint))
        let other = ClusterNode(name: "node-b", deletion: .timestamp("2026-01-31T12:00:00Z"))
        #expect(try Self.run([Self.update(other)]).told == [nil])
        #expect(try Self.run([Self.update(goes)], name: nil).told == [nil])
        #expect(try Self.run([Self.update(goes, isComplete: false)]).told == [nil])
        #expect(try Self.run([Self.update(stays, other), Self.update(goes)]).told == [stays, goes])
        #expect(try Self.run([Self.update(stays), Self.update(other)]).told == [stays, nil])
        let all = [Self.update(goes), Self.update(other), Self.update(), Self.update(stays)]
        #expect(try Self.run(all).told == [goes, goes, goes, stays])
    }

    /// The zone of the node's object holds unless one is given.
    @Test func takesTheZone() throws {
        let service = ReconcileEngineTests.service(1, endpoints: [1, 2]) { service in
            for index in service.endpoints.indices { service.endpoints[index].zoneHints = ["z\(index + 1)"] }
        }
        func endpoints(_ updates: SourceUpdate..., zone: String? = nil) throws -> String? {
            try Self.run(updates, zone: zone).kernel.objects.values.first { $0.hasPrefix("test/s1") }
        }
        let (in1, in2) = (ClusterNode(name: "node-a", zone: "z1"), ClusterNode(name: "node-a", zone: "z2"))
        #expect(try endpoints(Self.update(in1, services: [service])) == #"test/s1 ["10.244.1.1"]"#)
        #expect(try endpoints(Self.update(in1, services: [service]), Self.update(in2)) == #"test/s1 ["10.244.1.2"]"#)
        #expect(try endpoints(Self.update(in1, services: [service]), zone: "z2") == #"test/s1 ["10.244.1.2"]"#)
        let both = #"test/s1 ["10.244.1.1", "10.244.1.2"]"#
        #expect(try endpoints(Self.update(in1, services: [service]), Self.update()) == both)
    }
}
