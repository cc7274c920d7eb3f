import Agent
import AgentHTTP
@testable import AgentRuntime
import DataplaneTestKit
import Glibc
import Logging
import NetAddress
import ServiceModel
import ServiceSource
import Testing

/// The sockets on which the agent answers.
@Suite struct ServingTests {
    private static let loopback = IPAddress(ipv4: 0x7f00_0001)

    private static func reporter() -> Reporter {
        let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        return Reporter(version: "0", logger: silent, notifier: SystemdNotifier(environment: { _ in nil }))
    }

    /// A reload may open a port to other machines: the address that is left is in the way of the one that is wanted.
    @Test func movesToAnotherAddressWithTheSamePort() async throws {
        let reporter = Self.reporter()
        let metrics = MetricsEndpoint(reporter: reporter) { [] }
        let servers = Servers()
        let port = try freePort()
        var settings = AgentSettings()
        settings.socket = "/tmp/svcctl-serving-\(port).sock"
        settings.healthAddress = ListenAddress(address: Self.loopback, port: 0)
        settings.metricsAddress = ListenAddress(address: Self.loopback, port: port)
        try await servers.listen(settings, reporter, metrics: metrics)
        settings.metricsAddress = ListenAddress(address: IPAddress(ipv4: 0), port: port)
        try await servers.listen(settings, reporter, metrics: metrics)
        // What cannot be had leaves the other open.
        settings.metricsAddress = ListenAddress(address: IPAddress(ipv4: 0xc000_0201), port: port)
        await #expect(throws: (any Error).self) { try await servers.listen(settings, reporter, metrics: metrics) }
        await #expect(throws: (any Error).self) {
            try await HTTPServer.start(on: .tcp("127.0.0.1", port)) { _ in .notFound }
        }
        await servers.stop()
    }

    /// A health-check node port that another program has is tried again, and complained of once.
    @Test func opensHealthCheckPortsLater() async throws {
        let reporter = Self.reporter()
        let ports = HealthCheckPorts(reporter: reporter, nodePortAddresses: nil)
        let port = try freePort()
        let other = try await HTTPServer.start(on: .tcp("0.0.0.0", port)) { _ in .notFound }
        for _ in 0..<3 { await ports.listen(on: [port]) }
        #expect(reporter.read { $0.events.after(0).map(\.kind) } == [.failed])
        await other.stop()
        await ports.listen(on: [port])
        #expect(reporter.read { $0.events.after(0).map(\.kind) } == [.failed, .mended])
        await ports.listen(on: [])
    }

    /// Semantics 49: a node that is being deleted fails `/healthz` alone. Health-check node ports go by the agent's own
    /// health, as kube-proxy's do.
    @Test func aNodeThatIsBeingDeleted() throws {
        let reporter = Self.reporter()
        let endpoint = HealthEndpoint(reporter: reporter)
        func answer(_ path: String) throws -> (status: Int, isEligible: Bool) {
            let reply = endpoint.answer(HTTPRequest(method: "GET", target: path))
            return (reply.status, String(decoding: reply.body, as: UTF8.self).contains(#""nodeEligible": true"#))
        }
        func say(_ node: ClusterNode?, _ state: SourceState = .current) {
            reporter.sourcesSpoke(SourceNews(state: state, node: node))
        }
        #expect(try answer("/healthz") == (200, true))
        reporter.healthChecksChanged([
            32000: .init(service: ServiceName(namespace: "shop", name: "lb"), localEndpoints: 1)
        ])
        reporter.note { $0.readySince = .now }
        for deletion in [ClusterNode.Deletion.taint, .timestamp("2026-01-31T12:00:00Z")] {
            say(ClusterNode(name: "node-a", deletion: deletion))
            #expect(try answer("/healthz") == (503, false))
            #expect(try answer("/livez") == (200, false))
            #expect(endpoint.answer(HTTPRequest(method: "GET", target: "/readyz")).status == 200)
            #expect(HealthCheckPorts.answer(32000, reporter).status == 200)
            // A loop that follows another one knows of no node before its sources are complete.
            say(nil, .loading(nil))
            #expect(try answer("/healthz") == (503, false))
            say(ClusterNode(name: "node-a"))
            #expect(try answer("/healthz") == (200, true))
        }
        let events = reporter.read { $0.events.after(0).filter { $0.kind == .node }.map(\.message) }
        #expect(events.count == 4 && events.first?.contains("ToBeDeletedByClusterAutoscaler") == true, "\(events)")
    }

    /// Who sends a byte now and then does not hold a connection for ever: there are only so many of them.
    @Test func endsSlowRequests() async throws {
        let server = try await HTTPServer.start(on: .tcp("127.0.0.1", 0), patience: .milliseconds(300)) { _ in .notFound
        }
        let client = try Self.connect(to: #require(server.port))
        defer { close(client) }
        let deadline = ContinuousClock.now + .seconds(10)
        var text = "GET / HTTP/1.1\r\nHost: "
        while ContinuousClock.now < deadline {
            _ = send(client, text, text.utf8.count, Int32(MSG_NOSIGNAL))
            text = "x"
            var byte: UInt8 = 0
            let count = recv(client, &byte, 1, Int32(MSG_DONTWAIT))
            if count == 0 || count < 0 && errno == ECONNRESET { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(ContinuousClock.now < deadline)
        await server.stop()
    }

    /// Connections that say nothing do not keep out who asks: a load balancer would take the node for dead.
    @Test func whoSaysNothingMakesRoom() async throws {
        let server = try await HTTPServer.start(on: .tcp("127.0.0.1", 0)) { _ in HTTPReply(200, "yes\n") }
        let port = try #require(server.port)
        // It may have to wait for the server, and Swift's threads are few.
        let clients = try await onOwnThread { try (0..<300).map { _ in try Self.connect(to: port) } }
        defer { for client in clients { close(client) } }
        #expect(try await onOwnThread { try Self.get("/", from: port) }.hasPrefix("HTTP/1.1 200"))
        await server.stop()
    }

    /// Who asks for large answers and does not read them must not take the node's memory.
    @Test func answersAreCounted() async throws {
        let size = 16 << 20
        let server = try await HTTPServer.start(on: .tcp("127.0.0.1", 0), mostAnswers: 2) { _ in
            HTTPReply(200, bytes: Array(repeating: 0x61, count: size), contentType: "text/plain")
        }
        let port = try #require(server.port)
        var clients: [Int32] = []
        defer { for client in clients { close(client) } }
        for _ in 0..<2 {
            let client = try Self.connect(to: port)
            clients.append(client)
            Self.ask("/", on: client)
            // Its answer is under way.
            _ = try await onOwnThread { try Self.read(1, from: client) }
        }
        #expect(try await onOwnThread { try Self.get("/", from: port) }.hasPrefix("HTTP/1.1 503"))
        close(clients.removeLast())
        let deadline = ContinuousClock.now + .seconds(20)
        var answer = ""
        while ContinuousClock.now < deadline, !answer.hasPrefix("HTTP/1.1 200") {
            answer = try await onOwnThread { try Self.get("/", from: port) }
        }
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        await server.stop()
    }

    private static func ask(_ path: String, on client: Int32) {
        let text = "GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n"
        _ = send(client, text, text.utf8.count, Int32(MSG_NOSIGNAL))
    }

    /// The beginning of an answer; it may be empty.
    private static func get(_ path: String, from port: UInt16) throws -> String {
        let client = try connect(to: port)
        defer { close(client) }
        ask(path, on: client)
        return String(decoding: try read(12, from: client), as: UTF8.self)
    }

    /// What comes first, as many bytes or all.
    private static func read(_ count: Int, from client: Int32) throws -> [UInt8] {
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var bytes = [UInt8](repeating: 0, count: count)
        let received = recv(client, &bytes, count, Int32(MSG_WAITALL))
        return Array(bytes.prefix(max(0, received)))
    }

    private static func connect(to port: UInt16) throws -> Int32 {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        return client
    }
}
