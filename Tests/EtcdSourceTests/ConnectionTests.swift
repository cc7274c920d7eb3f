import EtcdSource
import EtcdTestKit
import Glibc
import ServiceModel
import ServiceSource
import Testing

/// What happens on the way to etcd.
@Suite(.timeLimit(.minutes(1)), .enabled(if: EtcdServer.isInstalled))
struct ConnectionTests {
    /// A connection that is cut is made again, and what happened meanwhile comes as changes, with no word of trouble.
    @Test func cutConnection() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        try await etcd.put(service: "b", 1)
        let proxy = try TCPProxy(to: etcd.clientPort)
        var listener = Listener(EtcdSource(try proxy.location, timing: EtcdServer.quick))
        try await listener.wait(for: ["a": 1, "b": 1])
        for number in 2...5 {
            proxy.cut()
            try await etcd.put(service: "a", number)
            try await listener.wait(for: ["a": number, "b": 1])
            #expect(Set(listener.last.changes.keys.map(\.name)) == ["a"])
        }
        #expect(listener.updates.allSatisfy { $0.state.problem == nil })
    }

    /// A connection over which nothing comes any more, from the start and later.
    @Test func silentConnection() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let proxy = try TCPProxy(to: etcd.clientPort)
        proxy.hold()
        var listener = Listener(EtcdSource(try proxy.location, timing: EtcdServer.quick))
        try await listener.wait { $0.problem?.kind == .unreachable }
        #expect(!listener.last.isComplete)
        proxy.pass()
        try await listener.wait(for: ["a": 1])
        proxy.hold()
        try await etcd.put(service: "a", 2)
        try await listener.wait { $0.problem?.kind == .unreachable }
        #expect(listener.numbers == ["a": 1])
        proxy.pass()
        try await listener.wait(for: ["a": 2])
    }
}
