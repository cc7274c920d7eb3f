import EtcdSource
import EtcdTestKit
import Foundation
import Glibc
import ServiceModel
import ServiceSource
import Testing

/// What a source does when the store has less than it once had.
@Suite(.timeLimit(.minutes(5)), .enabled(if: EtcdServer.canRun))
struct LossTests {
    @Test func restartWithDataKept() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        var listener = Listener(try etcd.source())
        try await listener.wait(for: ["a": 1])
        etcd.stop()
        try await listener.wait { $0.problem?.kind == .unreachable }
        let since = listener.problem?.since
        try await Task.sleep(for: .milliseconds(100))
        #expect(listener.numbers == ["a": 1])
        try await etcd.start()
        try await etcd.put(service: "b", 2)
        try await listener.wait(for: ["a": 1, "b": 2])
        #expect(listener.updates.allSatisfy { $0.state.problem == nil || $0.state.problem?.since == since })
        #expect(!listener.updates.contains { $0.changes.values.contains(nil) })
    }

    /// An etcd that has started without its data, and a source that knew three services.
    private func threeServicesLost() async throws -> (EtcdServer, Listener) {
        let etcd = try EtcdServer()
        try await etcd.start()
        for number in 1...3 { try await etcd.put(service: "s\(number)", number) }
        var listener = Listener(try etcd.source())
        try await listener.wait(for: ["s1": 1, "s2": 2, "s3": 3])
        etcd.stop()
        try etcd.loseData()
        try await etcd.start()
        return (etcd, listener)
    }

    /// The store is empty; what comes back must be all of it, as it was, or be accepted.
    @Test func restartWithDataLost() async throws {
        let (etcd, source) = try await threeServicesLost()
        var listener = source
        try await listener.wait { $0.problem?.kind == .dataLost }
        #expect(listener.problem?.message.contains("/svcctl/accept") == true)
        #expect(listener.findings["/svcctl/"] == listener.problem?.message)
        // A part of it, in another form and with something new, changes nothing yet.
        try await etcd.put(service: "s1", 9)
        try await etcd.put(service: "new", 4)
        // The alarm outlives another loss of the connection.
        etcd.stop()
        try await etcd.start()
        try await etcd.put(service: "s2", 2)
        try await listener.wait { $0.problem?.kind == .dataLost }
        #expect(listener.numbers == ["s1": 1, "s2": 2, "s3": 3])
        try await etcd.put("accept", "")
        try await listener.wait(for: ["s1": 9, "s2": 2, "new": 4])
        #expect(listener.last.findings.isEmpty)
    }

    /// All is written again as it was: nobody has to say anything.
    @Test func lostAndWrittenAgain() async throws {
        let (etcd, source) = try await threeServicesLost()
        var listener = source
        // By now the revision is higher than before.
        for number in 0...20 { try await etcd.put("endpoints/shop/other/x", #"{"address": "10.0.0.\#(number)"}"#) }
        try await listener.wait { $0.problem?.kind == .dataLost }
        for number in 1...3 { try await etcd.put(service: "s\(number)", number) }
        try await listener.wait(for: ["s1": 1, "s2": 2, "s3": 3])
        #expect(listener.updates.filter { !$0.changes.isEmpty }.count == 1)
    }

    /// The old data come back from a copy, which is older than what is served.
    @Test func olderData() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put("accept", "of old")
        try await etcd.put(service: "a", 1)
        etcd.stop(by: SIGTERM)
        try FileManager.default.copyItem(atPath: etcd.directory + "/data", toPath: etcd.directory + "/copy")
        try await etcd.start()
        try await etcd.put(service: "a", 2)
        try await etcd.put(service: "b", 3)
        var listener = Listener(try etcd.source())
        try await listener.wait(for: ["a": 2, "b": 3])
        etcd.stop()
        try etcd.loseData()
        try FileManager.default.moveItem(atPath: etcd.directory + "/copy", toPath: etcd.directory + "/data")
        try await etcd.start()
        try await listener.wait { $0.problem?.kind == .dataLost }
        #expect(listener.problem?.message.contains("revision went back") == true)
        #expect(listener.numbers == ["a": 2, "b": 3])
        try await etcd.put("accept", "now")
        try await listener.wait(for: ["a": 1])
    }

    /// Another cluster at the same address.
    @Test func anotherCluster() async throws {
        let (one, other) = (try EtcdServer(), try EtcdServer(name: "two"))
        for etcd in [one, other] { try await etcd.start() }
        try await one.put(service: "a", 1)
        for number in 1...9 { try await other.put(service: "b", number) }
        let proxy = try TCPProxy(to: one.clientPort)
        var listener = Listener(EtcdSource(try proxy.location, timing: EtcdServer.quick))
        try await listener.wait(for: ["a": 1])
        proxy.target = other.clientPort
        proxy.cut()
        try await listener.wait { $0.problem?.kind == .dataLost }
        #expect(listener.problem?.message.contains("another cluster") == true)
        proxy.target = one.clientPort
        proxy.cut()
        try await listener.wait(for: ["a": 1])
    }

    /// An operator deletes everything, by mistake or not.
    @Test func everythingDeleted() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put("accept", "of old")
        try await etcd.put(service: "a", 1)
        try await etcd.put(service: "b", 2)
        var listener = Listener(try etcd.source())
        try await listener.wait(for: ["a": 1, "b": 2])
        let all: [EtcdChange] = ["a", "b"].map { .delete(key: "/svcctl/services/shop/\($0)") }
        try await etcd.write(all)
        try await listener.wait { $0.problem?.kind == .dataLost }
        try await etcd.put(service: "a", 1)
        try await etcd.put(service: "b", 2)
        try await listener.wait(for: ["a": 1, "b": 2])
        // The word of the operator in the same transaction.
        try await etcd.write(all + [.put("/svcctl/accept", "")])
        try await listener.wait(for: [:])
    }

    /// At the start there is no last good state: an empty store is only believed if that is said.
    @Test func emptyAtTheStart() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        var listener = Listener(try etcd.source())
        try await listener.wait { $0.problem?.kind == .missing }
        #expect(!listener.last.isComplete)
        try await etcd.put("accept", "")
        try await listener.wait(for: [:])
        #expect(listener.last.isComplete)
    }
}
