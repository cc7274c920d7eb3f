import EtcdSource
import EtcdTestKit
import Glibc
import ServiceModel
import ServiceSource
import Testing

/// Reading and watching an etcd that works.
@Suite(.timeLimit(.minutes(5)), .enabled(if: EtcdServer.canRun))
struct FollowingTests {
    @Test func servicesComeChangeAndGo() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        try await etcd.put(service: "b", 2)
        var listener = Listener(try etcd.source())
        try await listener.wait(for: ["a": 1, "b": 2])
        try await etcd.put(service: "b", 3)
        try await listener.wait(for: ["a": 1, "b": 3])
        #expect(listener.last.changes.count == 1)
        try await etcd.put(service: "c", 4)
        try await etcd.delete("services/shop/a")
        try await listener.wait(for: ["b": 3, "c": 4])
        #expect(listener.updates.allSatisfy { $0.findings.isEmpty })
    }

    /// Nodes are Kubernetes' objects, each under its name; one that is wrong keeps its last good state.
    @Test func nodesAreFollowed() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        func put(_ name: String, taints: String) async throws {
            let object = #"{"kind": "Node", "metadata": {"name": "a"}, "spec": {"taints": \#(taints)}}"#
            try await etcd.put("nodes/\(name)", object)
        }
        try await put("a", taints: "[]")
        try await put("other", taints: "[]")
        var listener = Listener(try etcd.source())
        try await listener.wait { $0.problem?.kind == .missing }
        #expect(listener.last.nodes.isEmpty, "there is no full state yet")
        try await etcd.put(service: "a", 1)
        try await listener.wait { $0.last.nodes == ["a": ClusterNode(name: "a")] }
        let name = #"metadata.name: the name "a" does not match the key, which is of "other""#
        #expect(listener.findings["/svcctl/nodes/other"]?.contains(name) == true)
        try await put("a", taints: #"[{"key": "ToBeDeletedByClusterAutoscaler"}]"#)
        let tainted = ["a": ClusterNode(name: "a", deletion: .taint)]
        try await listener.wait { $0.last.nodes == tainted }
        try await put("a", taints: "{}")
        try await listener.wait { $0.findings["/svcctl/nodes/a"]?.contains("expected a list") == true }
        #expect(listener.last.nodes == tainted)
        try await etcd.delete("nodes/a")
        try await etcd.delete("nodes/other")
        try await listener.wait { $0.last.nodes.isEmpty && $0.last.findings.isEmpty }
    }

    /// Endpoints of their own keys join those of the service.
    @Test func endpointsAreAdded() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put("endpoints/shop/a/x", #"{"address": "10.0.0.9"}"#)
        var listener = Listener(try etcd.source())
        try await listener.wait { $0.problem?.kind == .missing }
        #expect(!listener.last.isComplete)
        try await etcd.put(service: "a", 1, #", "endpoints": [{"address": "10.0.0.1"}]"#)
        try await listener.wait { $0.endpoints("a") == ["10.0.0.1", "10.0.0.9"] }
        try await etcd.put("endpoints/shop/a/b:1", #"{"address": "fd00::5", "ports": {"http": 8080}, "weight": 3}"#)
        try await listener.wait { $0.endpoints("a") == ["10.0.0.1", "fd00::5", "10.0.0.9"] }
        #expect(listener.services["a"]?.endpoints[1].weight == 3)
        try await etcd.delete("endpoints/shop/a/x")
        try await listener.wait { $0.endpoints("a") == ["10.0.0.1", "fd00::5"] }
        #expect(listener.last.findings.isEmpty)
    }

    /// The lease's end takes the endpoint away.
    @Test func leases() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        var listener = Listener(try etcd.source())
        try await listener.wait(for: ["a": 1])
        try await etcd.with { connection in
            let lease = try await connection.grantLease(seconds: 30)
            let value = Array(#"{"address": "10.0.0.9"}"#.utf8)
            try await connection.write([.put(key: "/svcctl/endpoints/shop/a/x", value: value, lease: lease)])
            #expect(try await connection.renewLease(lease))
            try await listener.wait { $0.endpoints("a") == ["10.0.0.9"] }
            try await connection.revokeLease(lease)
            #expect(try await !connection.renewLease(lease))
        }
        try await listener.wait { $0.endpoints("a") == [] }
    }

    /// Thousands of keys are read in pages, changed at once, and become few changes.
    @Test func burst() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let count = 5000
        try await etcd.write((1...count).map { .put("/svcctl/services/shop/s\($0)", serviceObject("s\($0)", $0)) })
        var listener = Listener(try etcd.source())
        try await listener.wait { $0.last.isComplete }
        #expect(listener.services.count == count)
        #expect(listener.updates.filter { !$0.changes.isEmpty }.count == 1)
        let before = listener.updates.count
        let changes = (1...count).map {
            EtcdChange.put("/svcctl/services/shop/s\($0)", serviceObject("s\($0)", $0, #", "scheduler": "maglev""#))
        }
        try await etcd.write(changes)
        try await listener.wait { $0.services.values.allSatisfy { $0.scheduler == .maglev } }
        #expect(listener.updates.count - before < 200)
        // One key that is written again and again is decoded now and then only.
        let one = (1...1000).map { EtcdChange.put("/svcctl/services/shop/s1", serviceObject("s1", $0)) }
        let middle = listener.updates.count
        try await etcd.with { connection in
            for change in one { try await connection.write([change]) }
        }
        try await listener.wait { $0.numbers["s1"] == 1000 % 256 && $0.services["s1"]?.scheduler == .random }
        #expect(listener.updates.count - middle < 500)
    }

    /// What would lead two services to one address is decided by age, not by name.
    @Test func olderServicesComeFirst() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "z", 1)
        for number in 1...20 { try await etcd.put("services/shop/x", serviceObject("x", number)) }
        try await etcd.put(service: "a", 1)
        var listener = Listener(try etcd.source())
        try await listener.wait(for: ["z": 1, "x": 20, "a": 1])
        let times = ["z", "x", "a"].compactMap { listener.services[$0]?.creationTimestamp }
        #expect(times.count == 3 && times == times.sorted())
        #expect(times.allSatisfy { $0 > "2026-01-01T00:00:00Z" })
    }

    @Test func compaction() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        try await etcd.put(service: "b", 1)
        let proxy = try TCPProxy(to: etcd.clientPort)
        var listener = Listener(EtcdSource(try proxy.location, timing: EtcdServer.quick))
        try await listener.wait(for: ["a": 1, "b": 1])
        proxy.refuse()
        try await etcd.put(service: "a", 2)
        try await etcd.delete("services/shop/b")
        try await etcd.put(service: "c", 3)
        try await etcd.with { try await $0.compact() }
        try await listener.wait { $0.problem?.kind == .unreachable }
        #expect(listener.numbers == ["a": 1, "b": 1])
        proxy.pass()
        try await listener.wait(for: ["a": 2, "c": 3])
    }
}
