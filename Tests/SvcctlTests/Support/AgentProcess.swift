import DataplaneTestKit
import Foundation
import Glibc
import Testing

/// `svcctl agent` in a namespace, with a directory of its own for definitions, configuration and socket.
final class AgentProcess: Sendable {
    let namespace: NetworkNamespace
    let files: Files
    private let program: RunningProgram

    /// Starts it, as the last part of a command if there is a prefix. Without a `--source` or `--config` among the arguments it watches the directory `services`.
    init(
        in namespace: NetworkNamespace, _ files: Files, _ arguments: [String] = [], environment: [String: String] = [:],
        prefix: [String] = []
    ) throws {
        self.namespace = namespace
        self.files = files
        try FileManager.default.createDirectory(atPath: files["services"], withIntermediateDirectories: true)
        let isTold = arguments.contains("--source") || arguments.contains("--config")
        let settings = environment.isEmpty ? [] : ["env"] + environment.map { "\($0.key)=\($0.value)" }
        program = try RunningProgram(
            settings + prefix + [Svcctl.path(), "agent", "--socket", files["agent.sock"]]
                + (isTold ? [] : ["--source", "file:\(files["services"])"]) + arguments, in: namespace)
    }

    /// Starts it and waits until its first state stands in the kernel.
    static func ready(
        in namespace: NetworkNamespace, _ files: Files, _ arguments: [String] = [], prefix: [String] = []
    ) async throws -> AgentProcess {
        let agent = try AgentProcess(in: namespace, files, arguments, prefix: prefix)
        try await agent.becomesReady()
        return agent
    }

    /// Waits until its first state stands in the kernel.
    func becomesReady() async throws {
        let isReady = try await until { try get("/readyz").status == 200 }
        let log = try log()
        try #require(isReady, "\(log)")
    }

    /// The number of the process, where it was started without a prefix.
    var process: pid_t { program.process }
    func signal(_ number: Int32) { program.signal(number) }
    func wait() throws -> ProgramResult { try program.wait() }
    func stop() throws -> ProgramResult { try program.stop() }
    func log() throws -> String { try program.output().errors }

    /// Asks one of its HTTP ports, as anybody in the namespace can. Status 0 means that nobody answered.
    func get(_ path: String, port: UInt16 = 10256, host: String = "127.0.0.1") throws -> (status: Int, body: String) {
        let result = try namespace.toolResult(
            ["curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}", "http://\(host):\(port)\(path)"])
        let parts = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        return (Int(parts.last ?? "") ?? 0, parts.dropLast().joined(separator: "\n"))
    }

    /// The value of a metric, with its labels as they are printed.
    func metric(_ name: String) throws -> Double? {
        let lines = try get("/metrics", port: 10249).body.split(separator: "\n")
        return lines.first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    /// Waits until something is so; false if it takes longer than ten seconds. Where many tests run at once, a task may
    /// wait for longer than that itself, so it looks at least a hundred times.
    func until(_ isSo: () throws -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + .seconds(10)
        var looks = 0
        while ContinuousClock.now < end || looks < 100 {
            looks += 1
            if try isSo() { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    /// Waits until the log holds a text.
    func says(_ text: String) async throws -> Bool { try await until { try log().contains(text) } }

    /// Puts a file of definitions in the place of another, as careful programs do.
    func define(_ text: String, in name: String = "web.json") throws {
        try files.write(text, to: "services.new")
        try #require(rename(files["services.new"], files["services/\(name)"]) == 0)
    }
}
