@testable import EtcdSource
import EtcdTestKit
import Glibc
import ServiceModel
import ServiceSource
import Testing

/// What happens on the way to etcd.
@Suite(.timeLimit(.minutes(5)), .enabled(if: EtcdServer.canRun))
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

    /// A long way is no trouble.
    @Test func slowConnection() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let proxy = try TCPProxy(to: etcd.clientPort)
        proxy.pass(after: .milliseconds(200))
        var listener = Listener(EtcdSource(try proxy.location, timing: EtcdServer.quick))
        try await listener.wait(for: ["a": 1])
        for number in 2...4 {
            try await etcd.put(service: "a", number)
            try await listener.wait(for: ["a": number])
        }
        #expect(listener.updates.allSatisfy { $0.state.problem == nil })
    }

    /// When nobody listens any more, all connections end.
    @Test func stopping() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let proxy = try TCPProxy(to: etcd.clientPort)
        do {
            var listener = Listener(EtcdSource(try proxy.location, timing: EtcdServer.quick))
            try await listener.wait(for: ["a": 1])
            #expect(proxy.openCount > 0)
        }
        while proxy.openCount > 0 { try await Task.sleep(for: .milliseconds(10)) }
        let count = proxy.count
        try await Task.sleep(for: .milliseconds(200))
        #expect(proxy.count == count)
    }

    /// Something else answers at etcd's address, until etcd is there.
    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
        "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n[1,2,3]",
        #"HTTP/1.1 200 OK\#r\#nContent-Length: 29\#r\#n\#r\#n{"header":{"revision":"many"}}"#,
    ])
    func somethingElse(answer: String) async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let other = try FixedAnswer(answer)
        let proxy = try TCPProxy(to: other.port)
        var listener = Listener(EtcdSource(try proxy.location, timing: EtcdServer.quick))
        try await listener.wait { $0.problem != nil }
        #expect(listener.problem?.kind == .notUnderstood, "\(listener.problem?.message ?? "")")
        #expect(!listener.last.isComplete)
        proxy.target = etcd.clientPort
        proxy.cut()
        try await listener.wait(for: ["a": 1])
        // Later, too, it changes nothing.
        proxy.target = other.port
        proxy.cut()
        try await listener.wait { $0.problem?.kind == .notUnderstood }
        #expect(listener.numbers == ["a": 1])
    }

    /// A listing that takes longer than a request may be silent is waited for as long as it comes.
    @Test func slowLine() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        var numbers: [String: Int] = [:]
        for number in 1...20 { numbers["service-\(number)"] = number }
        for (name, number) in numbers { try await etcd.put(service: name, number) }
        let proxy = try TCPProxy(to: etcd.clientPort)
        // Some 8 KB, in 2 seconds.
        proxy.trickle(400, every: .milliseconds(100))
        var timing = EtcdServer.quick
        timing.request = .seconds(1)
        var listener = Listener(EtcdSource(try proxy.location, timing: timing))
        try await listener.wait(for: numbers)
        #expect(listener.updates.count == 1)
    }

    /// A refusal that never ends.
    @Test func endlessRefusal() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let other = try FixedAnswer(
            "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        let connection = try EtcdConnection(
            "http://127.0.0.1:\(other.port)", EtcdCredentials(), EtcdServer.quick)
        await #expect(throws: EtcdError.self) {
            try await connection.watch(KeyLayout(prefix: "/svcctl"), from: 1)
        }
        await connection.close()
    }
}
