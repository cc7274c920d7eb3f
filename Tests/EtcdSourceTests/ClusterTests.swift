import DataplaneTestKit
import EtcdSource
import EtcdTestKit
import Glibc
import ServiceModel
import ServiceSource
import Testing

/// Several members, and times of silence.
@Suite(.timeLimit(.minutes(5)), .enabled(if: EtcdServer.canRun))
struct ClusterTests {
    /// Whichever member goes, the leader too, the source goes on.
    @Test func membersAreStopped() async throws {
        let members = try (1...3).map { try EtcdServer(name: "m\($0)") }
        let cluster = members.map { "\($0.name)=http://127.0.0.1:\($0.peerPort)" }.joined(separator: ",")
        for member in members {
            member.cluster = cluster
            try member.spawn()
        }
        for member in members { try await member.waitUntilReady() }
        let location = try EtcdLocation(members.map(\.url).joined(separator: ","))
        try await retry { try await members[0].put(service: "a", 0) }
        var listener = Listener(EtcdSource(location, timing: EtcdServer.quick))
        try await listener.wait(for: ["a": 0])
        for index in members.indices {
            let leader = try await members.leader()
            leader.stop()
            let other = try #require(members.first { $0 !== leader })
            try await retry { try await other.put(service: "a", index + 1) }
            try await listener.wait(for: ["a": index + 1])
            try await leader.start()
        }
        #expect(!listener.updates.contains { $0.changes.values.contains(nil) })
        #expect(listener.updates.allSatisfy { $0.state.problem?.kind != .dataLost })
    }

    /// A member that has lost the others cannot tell what is there; another one can.
    @Test func memberWithoutMajority() async throws {
        let etcd = try EtcdServer()
        let lonely = try EtcdServer(name: "m1")
        lonely.cluster += ",m2=http://127.0.0.1:\(try freePort())"
        try lonely.spawn()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        for _ in 1...3 {
            var listener = Listener(
                EtcdSource(try EtcdLocation("\(lonely.url),\(etcd.url)"), timing: EtcdServer.quick))
            try await listener.wait(for: ["a": 1])
        }
    }

    /// Where others write all the time, and nothing of ours, revisions are kept up with, and the watch stays.
    @Test func progressOfOthers() async throws {
        let etcd = try EtcdServer()
        etcd.options = ["--experimental-watch-progress-notify-interval", "100ms"]
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let proxy = try TCPProxy(to: etcd.clientPort)
        var listener = Listener(EtcdSource(try proxy.location, timing: EtcdServer.quick))
        try await listener.wait(for: ["a": 1])
        let connections = proxy.count
        let end = ContinuousClock.now + .milliseconds(1500)
        while ContinuousClock.now < end {
            try await etcd.write([.put("/other", "x")])
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(proxy.count <= connections + 1)
        // What was notified need not be there any more.
        try await Task.sleep(for: .milliseconds(300))
        try await etcd.with { try await $0.compact() }
        proxy.cut()
        try await etcd.put(service: "a", 2)
        try await listener.wait(for: ["a": 2])
        #expect(listener.updates.allSatisfy { $0.state.problem == nil })
    }
}

/// Tries until it succeeds; a test's time limit ends it otherwise.
func retry(_ body: () async throws -> Void) async throws {
    while true {
        do { return try await body() } catch { try await Task.sleep(for: .milliseconds(50)) }
    }
}

extension [EtcdServer] {
    /// The member that leads.
    func leader() async throws -> EtcdServer {
        while true {
            for member in self {
                let leads = try? await member.with { connection in try await connection.isLeader() }
                if leads == true { return member }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
