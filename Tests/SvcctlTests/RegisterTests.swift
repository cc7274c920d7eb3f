import DataplaneTestKit
import EtcdSource
import EtcdTestKit
import Foundation
import Glibc
import Testing

/// `svcctl register` with a real etcd.
@Suite(.enabled(if: EtcdServer.canRun), .timeLimit(.minutes(5)))
struct RegisterTests {
    private static let key = "endpoints/shop/a/10.0.0.7,http=8080"

    private func register(_ etcd: EtcdServer, _ more: String...) throws -> RunningProgram {
        try RunningProgram(
            [try Svcctl.path(), "register", "shop/a", "10.0.0.7", "--port", "http=8080", "--etcd", etcd.url] + more)
    }

    private func waitForOutput(_ program: RunningProgram, _ text: String) async throws {
        while try !program.output().output.contains(text) { try await Task.sleep(for: .milliseconds(10)) }
    }

    private func waitForValue(_ etcd: EtcdServer, _ value: String?) async throws {
        while try await etcd.value(Self.key) != value { try await Task.sleep(for: .milliseconds(20)) }
    }

    /// Drains, then leaves.
    @Test(arguments: [SIGTERM, SIGINT]) func leavesInOrder(signal: Int32) async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let program = try register(etcd, "--weight", "3", "--node-name", "n1", "--zone", "z", "--drain", "2s")
        try await waitForValue(
            etcd,
            #"{"address": "10.0.0.7", "ports": {"http": 8080}, "nodeName": "n1", "zone": "z", "weight": 3}"#)
        #expect(try etcd.svcctl("get", "shop/a").output.contains("0          1\n"))
        program.signal(signal)
        let draining = #""conditions": {"ready": false, "serving": true, "terminating": true}"#
        // What has left already drains no more, and would be waited for in vain.
        var value = try await etcd.value(Self.key)
        while let known = value, !known.contains(draining) {
            try await Task.sleep(for: .milliseconds(20))
            value = try await etcd.value(Self.key)
        }
        #expect(value != nil)
        try await waitForValue(etcd, nil)
        let result = try program.wait()
        #expect(result.status == 0)
        let key = "/svcctl/" + Self.key
        #expect(result.output == "registered \(key)\ndraining \(key)\nleft \(key)\n")
        #expect(result.errors.isEmpty)
    }

    /// A second signal ends the drain.
    @Test func twoSignals() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let program = try register(etcd, "--drain", "1h")
        try await waitForOutput(program, "registered")
        #expect(try program.output().errors.contains("there is no service shop/a in etcd yet"))
        program.signal(SIGTERM)
        try await waitForOutput(program, "draining")
        program.signal(SIGTERM)
        #expect(try program.wait().status == 0)
        #expect(try await etcd.value(Self.key) == nil)
    }

    /// A signal while etcd's answer to the registration is on its way: the endpoint does not stay until its lease ends.
    @Test func endedWhileEntering() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let proxy = try TCPProxy(to: etcd.clientPort)
        proxy.pass(after: .milliseconds(500))
        let program = try RunningProgram(
            [
                try Svcctl.path(), "register", "shop/a", "10.0.0.7", "--port", "http=8080", "--ttl", "1h", "--etcd",
                "http://127.0.0.1:\(proxy.port)",
            ])
        while try await etcd.value(Self.key) == nil { try await Task.sleep(for: .milliseconds(20)) }
        program.signal(SIGTERM)
        #expect(try program.wait().status == 0)
        #expect(try await etcd.value(Self.key) == nil)
    }

    /// Who takes over has it; the one before neither drains nor deletes it.
    @Test func takenOver() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let first = try register(etcd)
        try await waitForOutput(first, "registered")
        let second = try register(etcd, "--zone", "z2", "-o", "json")
        try await waitForOutput(second, #"{"state": "registered", "key": "/svcctl/\#(Self.key)"}"# + "\n")
        let result = try first.stop()
        #expect(result.status == 0)
        #expect(result.errors.contains("is held by somebody else now"))
        #expect(!result.output.contains("draining"))
        #expect(try await etcd.value(Self.key)?.contains("z2") == true)
        second.signal(SIGTERM)
        second.signal(SIGTERM)
        #expect(try second.wait().status == 0)
        #expect(try await etcd.value(Self.key) == nil)
    }

    /// Whoever is killed leaves when the lease ends, not before.
    @Test func killed() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let program = try register(etcd, "--ttl", "2s")
        // Longer than the lease is: it is renewed.
        try await waitForOutput(program, "registered")
        try await Task.sleep(for: .seconds(3))
        #expect(try await etcd.value(Self.key) != nil)
        program.signal(SIGKILL)
        _ = try program.wait()
        #expect(try await etcd.value(Self.key) != nil)
        try await waitForValue(etcd, nil)
    }

    /// It waits for an etcd that is not there yet, and registers again with one that has forgotten.
    @Test func etcdComesAndForgets() async throws {
        let etcd = try EtcdServer()
        let program = try register(etcd, "--ttl", "2s", "--drain", "0s")
        while try !program.output().errors.contains("no connection") { try await Task.sleep(for: .milliseconds(20)) }
        try await etcd.start()
        try await waitForOutput(program, "registered")
        etcd.stop()
        try etcd.loseData()
        try await etcd.start()
        try await waitForValue(etcd, #"{"address": "10.0.0.7", "ports": {"http": 8080}}"#)
        #expect(try program.stop().status == 0)
        #expect(try await etcd.value(Self.key) == nil)
    }

    /// A member that accepts connections and never answers is left for another one, before the lease ends.
    @Test func aMemberHangs() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let hanging = try TCPProxy(to: etcd.clientPort)
        func register(_ more: String...) throws -> RunningProgram {
            try RunningProgram(
                [
                    try Svcctl.path(), "register", "shop/a", "10.0.0.7", "--port", "http=8080", "--drain", "0s",
                    "--etcd",
                    "http://127.0.0.1:\(hanging.port),127.0.0.1:\(etcd.clientPort)",
                ] + more)
        }
        let program = try register("--ttl", "6s")
        try await waitForOutput(program, "registered")
        hanging.hold()
        // A renewal at a member that hangs would take five seconds, and the lease had four.
        try await Task.sleep(for: .seconds(9))
        #expect(try program.stop().status == 0)
        let errors = try program.output().errors
        #expect(!errors.contains("the lease was lost"), "\(errors)")
        #expect(try await etcd.value(Self.key) == nil)
        // From the start it may take as long as a request may.
        let late = try register()
        try await waitForOutput(late, "registered")
        #expect(try late.stop().status == 0)
    }

    @Test(arguments: [
        (["10.0.0.7", "--port", "htp=8080"], #"the service has no port of the name "htp""#),
        (["10.0.0.7", "--weight", "65536"], "is not a whole number from 0 to 65535"),
        (["127.0.0.1"], "is a loopback address"),
        (["10.0.0.1"], "the service has an endpoint 10.0.0.1 with the same ports already"),
    ])
    func refused(arguments: [String], message: String) async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1, #", "endpoints": [{"address": "10.0.0.1"}]"#)
        let result = try hostProgram([Svcctl.path(), "register", "shop/a"] + arguments + ["--etcd", etcd.url])
        #expect(result.status == 65)
        #expect(result.errors.contains(message))
        #expect(try await etcd.keys() == ["services/shop/a"])
    }
}

extension EtcdServer {
    /// The value of a key under the prefix.
    func value(_ key: String) async throws -> String? {
        try await with { try await $0.value("/svcctl/" + key) }.map { String(decoding: $0, as: UTF8.self) }
    }
}
