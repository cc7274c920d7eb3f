import DataplaneTestKit
import EtcdTestKit
import Foundation
import Testing

/// `svcctl agent` that follows a real etcd: how it starts, what it believes, and what it says.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces && EtcdServer.canRun), .timeLimit(.minutes(5)))
struct AgentEtcdTests {
    /// It waits for an etcd that is not there, and touches nothing until then. Afterwards a put is in the kernel at once.
    @Test func waitsForEtcd() async throws {
        let namespace = try NetworkNamespace("agent")
        let etcd = try EtcdServer(in: namespace)
        let agent = try AgentProcess(in: namespace, Files(), ["--source", AgentEtcd.source(etcd)])
        let node = AgentEtcd(etcd: etcd, agent: agent)
        #expect(try await agent.until { try agent.get("/readyz").status == 503 })
        try await node.expectProblem("unreachable", "Connection refused")
        #expect(try agent.get("/livez").status == 200)
        #expect(try namespace.ruleset() == "")
        try await etcd.start()
        // An empty store may be the wrong one.
        try await node.expectProblem("missing", "there is no service under /svcctl/services/")
        #expect(try agent.get("/readyz").status == 503)
        #expect(try namespace.ruleset() == "")
        try await etcd.put(service: "a", 1, AgentEtcd.endpoints("10.244.1.2"))
        try await agent.becomesReady()
        #expect(try node.kernel("a") == "10.244.1.2:80")
        #expect(try await agent.until { try node.problem("missing") == nil })

        // Each within the ten seconds of patience; one within a second shows that nothing waits for a period.
        var quickest = Duration.seconds(60)
        for last in 3..<8 where quickest > .seconds(1) {
            try await etcd.put(service: "a", 1, AgentEtcd.endpoints("10.244.1.\(last)"))
            let start = ContinuousClock.now
            #expect(try await agent.until { try node.kernel("a") == "10.244.1.\(last):80" })
            quickest = min(quickest, ContinuousClock.now - start)
        }
        #expect(quickest <= .seconds(1))
        #expect(try agent.stop().status == 0)
        #expect(try namespace.ruleset().contains("10.244.1."))
    }

    /// A wrong password is told of, and the right one is taken up without a restart.
    @Test func wrongPassword() async throws {
        let namespace = try NetworkNamespace("agent")
        let etcd = try EtcdServer(in: namespace)
        try await etcd.start()
        try await etcd.put(service: "a", 1, AgentEtcd.endpoints("10.244.1.2"))
        try etcd.enableUsersInside()
        let files = try Files(["password": "guess"])
        let agent = try AgentProcess(
            in: namespace, files,
            ["--source", AgentEtcd.source(etcd), "--etcd-user", "agent", "--etcd-password-file", files["password"]])
        let node = AgentEtcd(etcd: etcd, agent: agent)
        try await node.expectProblem("notPermitted", "authentication failed")
        #expect(try agent.get("/readyz").status == 503)
        #expect(try agent.get("/livez").status == 200)
        #expect(try namespace.ruleset() == "")
        try files.write("secret", to: "password")
        try await agent.becomesReady()
        #expect(try node.kernel("a") == "10.244.1.2:80")
        #expect(try !agent.log().contains("guess") && !agent.log().contains("secret"))
    }

    /// What is wrong concerns nobody else, and is told of until it is mended.
    @Test(arguments: [
        ("services/shop/b", "{", "/svcctl/services/shop/b"),
        ("services/shop/b", serviceObject("b", 2, #", "port": 80"#), "unknown field \"port\""),
        ("services/shop/b", serviceObject("c", 3), "shop/c"),
        ("services/shop/b", "MEGABYTE", "1048576 bytes; a document may have"),
        ("services/shop/b/deeper", serviceObject("b", 2), "/svcctl/services/shop/b/deeper"),
        ("services/shop/new", "[]", "/svcctl/services/shop/new"),
    ])
    func badDocument(key: String, value: String, message: String) async throws {
        let node = try await AgentEtcd.ready(in: NetworkNamespace("agent"))
        let (agent, etcd) = (node.agent, node.etcd)
        let value = value == "MEGABYTE" ? String(repeating: " ", count: 1 << 20) : value
        try await etcd.put(key, value)
        #expect(try await agent.until { try node.errors() == 1 })
        #expect(try await agent.says(message))
        #expect(try node.status().contains(message))
        #expect(try agent.get("/readyz").status == 200)
        // The others go on, and it stays what it was.
        try await etcd.put(service: "a", 1, AgentEtcd.endpoints("10.244.1.9"))
        #expect(try await agent.until { try node.kernel("a") == "10.244.1.9:80" })
        #expect(try node.kernel("b") == "10.244.1.2:80")
        #expect(try node.kernel("new") == nil)
        #expect(try node.errors() == 1)
        if key == "services/shop/b" {
            try await etcd.put(service: "b", 2, AgentEtcd.endpoints("10.244.1.4"))
        } else {
            try await etcd.delete(key)
        }
        #expect(try await agent.until { try node.errors() == 0 })
        #expect(try await agent.says("no longer: "))
        #expect(try !node.status().contains(message))
        let last = key == "services/shop/b" ? 4 : 2
        #expect(try await agent.until { try node.kernel("b") == "10.244.1.\(last):80" })
    }

    /// An etcd that is away changes nothing; one that comes back with its data is followed, and one that comes back
    /// without them is not believed until somebody says so.
    @Test func etcdGoesAndForgets() async throws {
        let node = try await AgentEtcd.ready(in: NetworkNamespace("agent"))
        let (agent, etcd) = (node.agent, node.etcd)
        let generation = try node.namespace.generation()
        etcd.stop()
        try await node.expectProblem("unreachable", "no connection")
        #expect(try node.namespace.generation() == generation)
        #expect(try agent.get("/readyz").status == 200)
        try await etcd.start()
        #expect(try await agent.until { try node.problem("unreachable") == nil })
        #expect(try node.namespace.generation() == generation)
        try await etcd.put(service: "a", 1, AgentEtcd.endpoints("10.244.1.9"))
        #expect(try await agent.until { try node.kernel("a") == "10.244.1.9:80" })

        etcd.stop()
        try etcd.loseData()
        try await etcd.start()
        try await node.expectProblem("dataLost", "svcctl accept writes the key /svcctl/accept")
        try await etcd.put(service: "c", 3, AgentEtcd.endpoints("10.244.1.2"))
        #expect(try await agent.until { try node.problem("dataLost") == 1 })
        #expect(try node.kernel("a") == "10.244.1.9:80")
        #expect(try node.kernel("b") == "10.244.1.2:80")
        #expect(try node.kernel("c") == nil)
        #expect(try agent.get("/readyz").status == 200)
        #expect(try node.namespace.svcctl("accept", "--etcd", etcd.url).status == 0)
        #expect(try await agent.until { try node.kernel("c") == "10.244.1.2:80" })
        #expect(try node.kernel("a") == nil)
        #expect(try node.kernel("b") == nil)
        #expect(try await agent.until { try node.problem("dataLost") == nil })
        #expect(try node.errors() == 0)
    }

    /// Nothing is written before both have spoken; what both define is taken from the first.
    @Test func fileAndEtcd() async throws {
        let namespace = try NetworkNamespace("agent")
        let etcd = try EtcdServer(in: namespace)
        let files = try AgentTests.files()
        let agent = try AgentProcess(
            in: namespace, files, ["--source", "file:\(files["services"])", "--source", AgentEtcd.source(etcd)])
        let node = AgentEtcd(etcd: etcd, agent: agent)
        try await node.expectProblem("unreachable", "Connection refused")
        #expect(try agent.get("/readyz").status == 503)
        #expect(try namespace.ruleset() == "")
        try await etcd.start()
        try await etcd.put(service: "a", 1, AgentEtcd.endpoints("10.244.1.2"))
        try await agent.becomesReady()
        #expect(try node.kernel("a") == "10.244.1.2:80")
        #expect(try node.kernel("web") != nil)
        try await etcd.put(service: "web", 9, AgentEtcd.endpoints("10.244.1.7"))
        #expect(try await agent.says("\(AgentEtcd.source(etcd)), which is not heard"))
        #expect(try node.kernel("web")?.contains("10.244.1.7") == false)
        try agent.define(#"{"services": []}"#)
        #expect(try await agent.until { try node.kernel("web") == "10.244.1.7:80" })
        #expect(try node.errors() == 0)
    }
}
