import DataplaneTestKit
import Foundation
import Glibc
import NetAddress
import Synchronization
import Testing

/// Definitions change all the time, the agent is killed at random moments, and clients notice nothing.
///
/// `SVCCTL_SOAK_SECONDS` says how long; ten by default.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct AgentSoakTests {
    private static let seconds =
        ProcessInfo.processInfo.environment["SVCCTL_SOAK_SECONDS"].flatMap { Double($0) } ?? 10
    /// Services that clients use. Others come and go beside them.
    private static let serviceCount = 12

    @Test func nobodyNotices() async throws {
        let lab = try Lab(pods: 4)
        let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
        let datagramServers = try lab.startServers(transport: .udp, families: [.ipv4])
        defer { for server in servers + datagramServers { server.stop() } }
        let files = try Files()
        var agent = try AgentProcess(in: lab.node, files)
        var random = SystemRandomNumberGenerator()
        for number in 0..<Self.serviceCount { try define(number, agent, &random) }
        try await agent.becomesReady()

        let connections = try (0..<Self.serviceCount).map {
            try LongConnection(from: lab.client, to: Self.address($0), port: 80)
        }
        let crowd = Crowd()
        let clients = try (0..<3).map { index in
            try BackgroundRun(in: lab.client) { try crowd.run(from: lab.client, transport: index == 0 ? .udp : .tcp) }
        }
        var (changes, ends) = (0, 0)
        let end = ContinuousClock.now + .seconds(Self.seconds)
        var nextEnd = ContinuousClock.now + .milliseconds(300)
        // Where many tests run at once there may be few turns in that time.
        while ContinuousClock.now < end || changes < 60 || ends < 2 {
            try define(.random(in: 0..<Self.serviceCount), agent, &random)
            if changes.isMultiple(of: 5) { try defineAnother(changes, agent) }
            // Before a program has said what to do with the signal, it ends by it.
            if changes.isMultiple(of: 17), try agent.log().contains("starts with") { agent.signal(SIGHUP) }
            changes += 1
            try await Task.sleep(for: .milliseconds(Int.random(in: 1...30)))
            guard ContinuousClock.now > nextEnd else { continue }
            agent.signal([SIGKILL, SIGKILL, SIGTERM].randomElement() ?? SIGKILL)
            _ = try agent.wait()
            ends += 1
            agent = try AgentProcess(in: lab.node, files)
            nextEnd = ContinuousClock.now + .milliseconds(Int.random(in: 50...1500))
        }
        crowd.stop()
        for client in clients { try client.wait() }
        for connection in connections { #expect(try connection.exchange("still there?") == "still there?") }
        let (count, failures) = crowd.result
        #expect(failures.isEmpty, "\(failures.prefix(10))")
        #expect(count > 100 && changes > 50 && ends > 1)
        print(
            "soak: \(Self.seconds) s, \(changes) changes, \(ends) ends, \(count) connections, \(failures.count) failed")

        // The end state depends on the last definitions alone.
        try await agent.becomesReady()
        let directory = files["services"]
        #expect(
            try await agent.until {
                try lab.node.svcctl("diff", directory) == ProgramResult(status: 0, output: "", errors: "")
            })
        _ = try agent.stop()
    }

    private static func address(_ number: Int) -> IPAddress { IPAddress(ipv4: 0x0a60_0100 + UInt32(number)) }

    /// Gives a service some of the endpoints, at least one, in one of the forms that rules are made for.
    private func define(_ number: Int, _ agent: AgentProcess, _ random: inout SystemRandomNumberGenerator) throws {
        let chosen = (1...4).shuffled(using: &random).prefix(Int.random(in: 1...4))
        let endpoints = chosen.map { pod in
            #"{"address": "\#(Lab.podAddresses(pod).ipv4)", "weight": \#(Int.random(in: 1...3))}"#
        }
        let scheduler = ["random", "random", "roundRobin", "sourceHash"].randomElement() ?? "random"
        let affinity = Int.random(in: 0..<4) == 0 ? #", "sessionAffinity": {"clientIP": {"timeoutSeconds": 60}}"# : ""
        try agent.define(
            """
            {"services": [{"name": "soak/s\(number)", "clusterIPs": ["\(Self.address(number))"],
              "scheduler": "\(affinity.isEmpty ? scheduler : "random")"\(affinity),
              "ports": [{"name": "tcp", "port": 80, "targetPort": 8080},
                        {"name": "udp", "protocol": "UDP", "port": 80, "targetPort": 8080}],
              "endpoints": [\(endpoints.joined(separator: ", "))]}]}
            """, in: "s\(number).json")
    }

    /// One of a few files with several services, or its removal.
    private func defineAnother(_ number: Int, _ agent: AgentProcess) throws {
        let name = "other\(number % 3).json"
        if Bool.random() {
            try? FileManager.default.removeItem(atPath: agent.files["services/\(name)"])
            return
        }
        let services = (0..<Int.random(in: 1...20)).map { index in
            let address = IPAddress(ipv4: 0x0a61_0000 + UInt32(number % 3) << 8 + UInt32(index))
            return Sample.service(
                "other\(number % 3)/s\(index)", address: "\(address)",
                #", "endpoints": [{"address": "10.244.9.\#(Int.random(in: 1...200))"}]"#)
        }
        try agent.define(#"{"services": [\#(services.joined(separator: ", "))]}"#, in: name)
    }

    /// Clients, each a thread that opens connections one after the other and counts.
    private final class Crowd: Sendable {
        private struct State {
            var isStopping = false
            var count = 0
            var failures: [String] = []
        }
        private let state = Mutex(State())

        func stop() { state.withLock { $0.isStopping = true } }

        var result: (count: Int, failures: [String]) { state.withLock { ($0.count, $0.failures) } }

        func run(from client: NetworkNamespace, transport: TransportProtocol) throws {
            while !state.withLock({ $0.isStopping }) {
                let address = AgentSoakTests.address(.random(in: 0..<AgentSoakTests.serviceCount))
                var tally = try attempts(client, address, transport, count: 10)
                // A datagram on its way is lost if its flow is ended, because its endpoint just left: clients of UDP
                // ask again.
                if transport == .udp, !tally.failures.isEmpty {
                    tally = try attempts(client, address, transport, count: tally.failures.count)
                }
                state.withLock { state in
                    state.count += 10
                    state.failures += tally.failures.map { "\(transport) \(address): \($0)" }
                }
            }
        }

        private func attempts(
            _ client: NetworkNamespace, _ address: IPAddress, _ transport: TransportProtocol, count: Int
        ) throws -> Tally {
            try Client.tally(count, from: client, to: address, port: 80, transport: transport, timeout: .seconds(3))
        }
    }
}
