import DataplaneTestKit
import Foundation
import Glibc
import Testing

/// What the agent does when it may open no more files.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct AgentDescriptorTests {
    /// However few are left when its configuration is read again: it goes on as before, and takes the configuration later.
    @Test func goesOnWithoutDescriptors() async throws {
        // On a busy machine libdispatch looks at its threads in /proc now and then, and ends the process where it cannot.
        for _ in 0..<5 { if try await goesOnOrIsEndedByTheRuntime() { return } }
        Issue.record("the agent was ended five times")
    }

    /// - Returns: false if libdispatch has ended the agent, without a word of ours.
    private func goesOnOrIsEndedByTheRuntime() async throws -> Bool {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        func configure(_ period: Int) throws {
            try files.write(
                "source: file:\(files["services"])\nresyncPeriod: \(period)m\n", to: "agent.yaml")
        }
        try configure(60)
        let agent = try AgentProcess(in: namespace, files, ["--config", files["agent.yaml"]])
        try agent.define(Self.services(endpoint: 1))
        try await agent.becomesReady()
        // What the runtime opens when it is first needed, as for signals, is there from now on.
        agent.signal(SIGHUP)
        #expect(try await agent.until { try agent.reloads() > 0 })
        for left in 0..<16 {
            try configure(61 + left)
            try agent.limit(descriptorsLeft: left)
            let lines = try agent.reloads()
            agent.signal(SIGHUP)
            let hasSpoken = try await agent.until { try agent.isGone() || agent.reloads() > lines }
            guard try !agent.isGone() else {
                let result = try agent.wait()
                #expect(!result.errors.contains("Fatal error"), "with \(left) left: \(result.errors)")
                return false
            }
            #expect(hasSpoken, "with \(left) left")
            try agent.limit(descriptorsLeft: 1000)
        }
        try agent.define(Self.services(endpoint: 2))
        let isFollowed = try await agent.until { try namespace.ruleset().contains("192.0.2.2") }
        #expect(isFollowed)
        try configure(90)
        agent.signal(SIGHUP)
        let isTaken = try await agent.until { try agent.metric("svcctl_configuration_pending") == 0 }
        #expect(isTaken)
        let result = try agent.stop()
        #expect(result.status == 0, "\(result.errors)")
        return true
    }

    /// Connections that wait for a descriptor take no processor.
    @Test func acceptsWithPauses() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try AgentProcess(in: namespace, try Files())
        try agent.define(Self.services(endpoint: 1))
        try await agent.becomesReady()
        try agent.limit(descriptorsLeft: 0)
        let script = """
            import socket, time
            clients = [socket.create_connection(("127.0.0.1", port)) for port in (10249, 10256) for _ in range(5)]
            print("here", flush=True)
            time.sleep(60)
            """
        let client = try RunningProgram(["python3", "-c", script], in: namespace)
        #expect(try await agent.until { try client.output().output.contains("here") })
        let before = try agent.processorSeconds()
        try await Task.sleep(for: .seconds(2))
        #expect(try agent.processorSeconds() - before < 1)
        _ = try client.stop()
        try agent.limit(descriptorsLeft: 1000)
        #expect(try await agent.until { try agent.get("/healthz").status == 200 })
        #expect(try agent.stop().status == 0)
    }

    /// Container engines leave 1024, which four ports' clients can take.
    @Test func mayOpenAsManyAsItIsAllowed() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try AgentProcess(in: namespace, try Files(), prefix: ["prlimit", "--nofile=256:4096"])
        try agent.define(Self.services(endpoint: 1))
        try await agent.becomesReady()
        // prlimit becomes the agent.
        let limits = try String(contentsOfFile: "/proc/\(agent.process)/limits", encoding: .utf8)
        let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
        #expect(line.split(separator: " ").dropFirst(3).first == "4096", "\(line)")
        #expect(try agent.stop().status == 0)
    }

    private static func services(endpoint: Int) -> String {
        """
        {"services": [{"name": "shop/web", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80}],
         "endpoints": [{"address": "192.0.2.\(endpoint)"}]}]}
        """
    }
}

extension AgentProcess {
    /// Lets it open so many files more than it has.
    fileprivate func limit(descriptorsLeft left: Int) throws {
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").compactMap { Int($0) }
        // The lowest number that so many free ones are below: others may be high, as those that it was given.
        var (limit, free) = (0, 0)
        let taken = Set(open)
        while free < left || taken.contains(limit) {
            if !taken.contains(limit) { free += 1 }
            limit += 1
        }
        let result = try namespace.toolResult(["prlimit", "--pid", "\(process)", "--nofile=\(limit):4096"])
        try #require(result.status == 0, "\(result.errors)")
    }

    /// Whether it has ended, and nobody has asked how.
    fileprivate func isGone() throws -> Bool {
        try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8).contains(") Z ")
    }

    /// How often it has said what became of a configuration.
    fileprivate func reloads() throws -> Int {
        try log().split(separator: "\n").count { $0.contains("the configuration ") || $0.contains("goes on") }
    }

    /// User and system, fields 14 and 15 of stat (proc(5)).
    fileprivate func processorSeconds() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        let fields = text.drop { $0 != ")" }.split(separator: " ")
        let ticks = try (12...13).map { try #require(Double(fields[$0])) }.reduce(0, +)
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
