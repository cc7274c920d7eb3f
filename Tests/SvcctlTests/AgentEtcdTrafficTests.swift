import DataplaneTestKit
import EtcdTestKit
import Foundation
import Glibc
import NetAddress
import Synchronization
import Testing

/// `svcctl agent` that follows a real etcd, and clients that must not notice what becomes of either.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces && EtcdServer.canRun), .timeLimit(.minutes(5)))
struct AgentEtcdTrafficTests {
    private static let address = "10.96.0.1"

    /// While etcd is away the agent is killed and started again: nothing changes in the kernel, and traffic goes on.
    @Test func restartsWithoutEtcd() async throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(port: 80, families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let node = try await AgentEtcd.ready(in: lab.node)
        let clients = try SteadyClients(from: lab.client, to: ip(Self.address))
        let generation = try lab.node.generation()
        node.etcd.stop()
        node.agent.signal(SIGKILL)
        _ = try node.agent.wait()
        let agent = try AgentProcess(in: lab.node, node.agent.files, ["--source", node.source])
        let next = AgentEtcd(etcd: node.etcd, agent: agent)
        #expect(try await agent.until { try agent.get("/readyz").status == 503 })
        try await next.expectProblem("unreachable", "Connection refused")
        let seen = clients.count
        #expect(try await agent.until { clients.count > seen + 20 })
        #expect(try lab.node.generation() == generation)
        try await node.etcd.start()
        try await agent.becomesReady()
        #expect(try lab.node.generation() == generation)
        try await node.etcd.put(service: "b", 2, AgentEtcd.endpoints("10.244.1.9"))
        #expect(try await agent.until { try next.kernel("b") == "10.244.1.9:80" })
        #expect(try clients.stop().failures.isEmpty)
    }

    /// An endpoint that another process registers gets its share, and leaves without a failed connection.
    @Test func registeredEndpoint() async throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(port: 80, families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let node = try await AgentEtcd.ready(in: lab.node)
        let clients = try SteadyClients(from: lab.client, to: ip(Self.address))
        let registration = try RunningProgram(
            [Svcctl.path(), "register", "shop/a", "10.244.1.3", "--etcd", node.etcd.url, "--drain", "1m30s"],
            in: lab.node)
        #expect(try await node.agent.until { clients.servers == ["pod1", "pod2"] })
        #expect(try node.kernel("a") == "10.244.1.2:80 10.244.1.3:80")
        registration.signal(SIGTERM)
        // First it gets no new connections, and then it goes, at the second signal or after the time for that.
        #expect(try await node.agent.until { try node.kernel("a") == "10.244.1.2:80" })
        #expect(try !registration.output().output.contains("left"))
        #expect(try registration.stop().status == 0)
        // Nobody serves there any more.
        servers.last?.stop()
        let seen = clients.count
        #expect(try await node.agent.until { clients.count > seen + 20 })
        let tally = try clients.stop()
        #expect(tally.failures.isEmpty, "\(tally.failures.prefix(5))")
        #expect(try node.errors() == 0)
    }
}

/// A client that opens one connection after another until it is stopped.
private final class SteadyClients: Sendable {
    private struct State {
        var isStopping = false
        var tally = Tally()
        var count: Int { tally.answers.values.reduce(tally.failures.count, +) }
    }
    private final class Shared: Sendable { let state = Mutex(State()) }

    private let shared = Shared()
    private let run: BackgroundRun

    init(from client: NetworkNamespace, to address: IPAddress) throws {
        let shared = shared
        run = try BackgroundRun(in: client) {
            while !shared.state.withLock({ $0.isStopping }) {
                let outcome = Client.probe(from: client, to: address, port: 80, timeout: .seconds(3))
                shared.state.withLock { $0.tally.count(outcome) }
                usleep(1000)
            }
        }
    }

    deinit { _ = try? stop() }

    /// How many connections there were.
    var count: Int { shared.state.withLock { $0.count } }
    var servers: [String] { shared.state.withLock { $0.tally.servers } }

    /// Stops, and returns what became of all connections.
    @discardableResult
    func stop() throws -> Tally {
        shared.state.withLock { $0.isStopping = true }
        try run.wait()
        return shared.state.withLock { $0.tally }
    }
}
