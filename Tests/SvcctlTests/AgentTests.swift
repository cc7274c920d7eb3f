import DataplaneTestKit
import Foundation
import Glibc
import NetAddress
import Testing

/// `svcctl agent` as it runs on a node.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct AgentTests {
    static func files() throws -> Files {
        let files = try Files()
        try FileManager.default.createDirectory(atPath: files["services"], withIntermediateDirectories: true)
        try files.write(Sample.web, to: "services/web.json")
        return files
    }

    @Test func followsItsFiles() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try await AgentProcess.ready(in: namespace, Self.files())
        #expect(try namespace.elements("ip", "endpoints_2").count == 2)
        try agent.define(Sample.dns, in: "dns.yaml")
        #expect(try await agent.until { try namespace.ruleset().contains("10.96.0.53 . udp . 53") })
        // Wrong definitions change nothing, and are told of until they are mended.
        let before = try namespace.generation()
        try agent.define("{\"services\": [{\"name\": \"shop/web\", \"port\": 80}]}")
        #expect(try await agent.says("unknown field \"port\""))
        #expect(try namespace.generation() == before)
        #expect(try namespace.svcctl("status", "--socket", agent.files["agent.sock"]).output.contains("unknown field"))
        #expect(try agent.metric(#"svcctl_source_findings{severity="error"}"#) ?? 0 > 0)
        #expect(try agent.get("/readyz").status == 200)
        try agent.define(Sample.web)
        #expect(try await agent.until { try agent.metric(#"svcctl_source_findings{severity="error"}"#) == 0 })
        // A directory that disappears is an alarm, not an empty state.
        try FileManager.default.moveItem(atPath: agent.files["services"], toPath: agent.files["elsewhere"])
        #expect(try await agent.says("what it said last stays"))
        #expect(try namespace.elements("ip", "endpoints_2").count == 2)
        #expect(try agent.stop().status == 0)
        // The rules stay when it goes.
        #expect(try namespace.elements("ip", "endpoints_2").count == 2)
    }

    /// What it has done it forgets, or in a year it would fill the node.
    @Test func keepsItsSize() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try await AgentProcess.ready(in: namespace, Self.files())
        /// - Returns: in bytes.
        func sizeAfter(changes: Range<Int>) async throws -> Double {
            for change in changes {
                let services = (0..<400).map { number in
                    Sample.service(
                        "size/\(number)", address: "10.97.\(number / 256).\(number % 256)",
                        #", "endpoints": [{"address": "10.244.1.\#(change + 1)"}, {"address": "10.244.2.1"}]"#)
                }
                try agent.define(#"{"services": [\#(services.joined(separator: ","))]}"#, in: "size.json")
                let isThere = try await agent.until {
                    try namespace.tool(["nft", "list", "map", "ip", "svcctl", "endpoints_2"])
                        .contains(" 10.244.1.\(change + 1) .")
                }
                try #require(isThere)
            }
            return try #require(try agent.metric("process_resident_memory_bytes"))
        }
        let before = try await sizeAfter(changes: 0..<10)
        let after = try await sizeAfter(changes: 10..<50)
        #expect(after - before < 4e6, "\(before) \(after)")
        #expect(try agent.stop().status == 0)
    }

    @Test func mendsDriftAndNamesWhoDidIt() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try await AgentProcess.ready(in: namespace, Self.files())
        let before = try namespace.ruleset()
        try namespace.nft("flush ruleset\n")
        #expect(try await agent.until { try namespace.ruleset() == before })
        #expect(try await agent.says("mended what nft ("))
        #expect(try agent.metric(#"svcctl_drift_events_total{process="nft"}"#) ?? 0 >= 1)
        let events = try namespace.svcctl("events", "--socket", agent.files["agent.sock"])
        #expect(events.status == 0)
        #expect(events.output.contains(" drift: nft ("))
        _ = try agent.stop()
    }

    /// Killed at any moment: established connections go on, new ones find their endpoint while nobody is there, and the
    /// next start changes nothing.
    @Test func isKilledAndComesBack() async throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let files = try Self.files()
        let agent = try await AgentProcess.ready(in: lab.node, files)
        let connection = try LongConnection(from: lab.client, to: ip("10.96.0.10"), port: 80)
        agent.signal(SIGKILL)
        _ = try agent.wait()
        #expect(try connection.exchange("still there?") == "still there?")
        #expect(try Client.tally(20, from: lab.client, to: ip("10.96.0.10"), port: 80).failures.isEmpty)
        let generation = try lab.node.generation()
        let next = try await AgentProcess.ready(in: lab.node, files)
        #expect(try lab.node.generation() == generation)
        #expect(try connection.exchange("and now?") == "and now?")
        let status = try StatusReport(of: lab.node)
        #expect(status.connections("10.96.0.10", 80, "TCP") == 21)
        #expect(try next.stop().status == 0)
        #expect(try connection.exchange("still?") == "still?")
    }

    @Test func cleansUpIfItIsTold() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try await AgentProcess.ready(in: namespace, Self.files(), ["--cleanup-on-exit"])
        #expect(try namespace.ruleset().contains("table ip svcctl"))
        #expect(try agent.stop().status == 0)
        #expect(try namespace.ruleset() == "")
    }

    @Test func thereIsOneAgentOnANode() async throws {
        let (namespace, other) = (try NetworkNamespace("agent"), try NetworkNamespace("other"))
        let agent = try await AgentProcess.ready(in: namespace, Self.files())
        // However often.
        for _ in 0..<5 {
            let result = try AgentProcess(in: namespace, Self.files()).wait()
            #expect(result.status == 75)
            #expect(result.errors.contains("another agent runs on this node already as process"))
        }
        // On another node, but with the same socket.
        let third = try AgentProcess(in: other, agent.files)
        #expect(try third.wait().errors.contains("another agent has \(agent.files["agent.sock"])"))
        // Whoever comes after one that was killed finds nothing in the way.
        agent.signal(SIGKILL)
        _ = try agent.wait()
        let next = try await AgentProcess.ready(in: namespace, agent.files)
        #expect(try next.stop().status == 0)
    }

    /// Nobody but root can run an agent, and nobody else may keep it from running: by having the name that agents lock, and
    /// letting nobody in to ask whose it is.
    @Test(arguments: ["binds", "listens", "is full"])
    func anybodyElseIsNoAgent(_ kind: String) async throws {
        let namespace = try NetworkNamespace("agent")
        let script = """
            import os, socket, sys, time
            os.setgid(65534); os.setuid(65534)
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.bind("\\0svcctl-agent")
            if sys.argv[1] != "binds": server.listen(0 if sys.argv[1] == "is full" else 10)
            clients = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(3)]
            for client in clients if sys.argv[1] == "is full" else []:
                client.setblocking(False)
                client.connect_ex("\\0svcctl-agent")
            print("here", flush=True)
            time.sleep(60)
            """
        let squatter = try RunningProgram(["python3", "-c", script, kind], in: namespace)
        let deadline = ContinuousClock.now + .seconds(10)
        while try !squatter.output().output.contains("here"), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))
        }
        let agent = try await AgentProcess.ready(in: namespace, Self.files())
        #expect(try agent.stop().status == 0)
        _ = try squatter.stop()
    }

    /// SIGHUP reads the configuration again; a wrong one changes nothing.
    @Test func readsItsConfigurationAgain() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Self.files()
        func configure(_ text: String) throws {
            try files.write("source: \"file:\(files["services"])\"\n" + text, to: "agent.yaml")
        }
        try configure("masqueradeBit: 14\n")
        let agent = try await AgentProcess.ready(in: namespace, files, ["--config", files["agent.yaml"]])
        #expect(try namespace.ruleset().contains("0x00004000"))
        try configure("masqueradeBot: 15\n")
        agent.signal(SIGHUP)
        #expect(try await agent.says("did you mean \"masqueradeBit\"?"))
        #expect(try agent.get("/livez").status == 200)
        // An address that cannot be had changes nothing either, not even what could be done.
        try configure("metricsAddress: 127.0.0.1:10301\nhealthAddress: 203.0.113.1:10256\n")
        agent.signal(SIGHUP)
        #expect(try await agent.says("cannot listen on 203.0.113.1:10256"))
        #expect(try await agent.until { try agent.get("/metrics", port: 10249).status == 200 })
        #expect(try agent.get("/metrics", port: 10301).status == 0)
        #expect(try agent.get("/readyz").status == 200)
        try configure("masqueradeBit: 15\nhealthAddress: 127.0.0.1:10300\n")
        agent.signal(SIGHUP)
        #expect(try await agent.until { try namespace.ruleset().contains("0x00008000") })
        #expect(try agent.get("/readyz", port: 10300).status == 200)
        #expect(try agent.get("/readyz").status == 0)
        #expect(try agent.stop().status == 0)
    }

    @Test func wrongConfigurationIsRefused() throws {
        let files = try Self.files()
        try files.write(
            "source: file:/tmp\nminSyncPerod: 10ms\nresyncPeriod: soon\nmetricsAddress: here\n", to: "agent.yaml")
        let result = try Svcctl.run("agent", "--config", files["agent.yaml"])
        #expect(result.status == 65)
        let name = files["agent.yaml"]
        #expect(result.errors.contains("\(name):2:1: error: minSyncPerod: unknown option"))
        #expect(result.errors.contains("did you mean \"minSyncPeriod\"?"))
        #expect(result.errors.contains("\(name):3:15: error: resyncPeriod: expected a duration"))
        #expect(result.errors.contains("\(name):4:17: error: metricsAddress: expected an address and a port"))
        #expect(try Svcctl.run("agent").errors.contains("no source"))
        #expect(try Svcctl.run("agent", "--config", files["nothing.yaml"]).status == 66)
    }

    /// Nothing is written and `/readyz` says so while a source has nothing to say.
    @Test func waitsForItsSources() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        let agent = try AgentProcess(in: namespace, files, ["--source", "file:\(files["later"])"])
        #expect(try await agent.until { try agent.get("/readyz").status == 503 })
        #expect(try agent.get("/livez").status == 200)
        #expect(try namespace.ruleset() == "")
        try files.write(Sample.web, to: "later")
        try await agent.becomesReady()
        _ = try agent.stop()
    }

    /// Semantics 48: the answer follows the local endpoints, and the port opens and closes with the service.
    @Test func answersHealthChecks() async throws {
        let namespace = try NetworkNamespace("agent")
        try namespace.ip(["link add name v0 type veth peer name v1", "addr add 192.0.2.10/24 dev v0", "link set v0 up"])
        let files = try Self.files()
        let agent = try await AgentProcess.ready(in: namespace, files, ["--node-name", "node-a"])
        func service(_ endpoints: String) -> String {
            Sample.document(
                Sample.service(
                    "shop/lb", address: "10.96.0.77",
                    #", "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000, "endpoints": [\#(endpoints)]"#))
        }
        func answer() throws -> (status: Int, body: String) { try agent.get("/", port: 32000, host: "192.0.2.10") }
        try agent.define(service(#"{"address": "10.244.1.9", "nodeName": "node-a"}"#), in: "lb.json")
        #expect(try await agent.until { try answer().status == 200 })
        let body = try JSONText.object(answer().body)
        #expect(body["localEndpoints"] as? Int == 1 && body["serviceProxyHealthy"] as? Bool == true)
        #expect(body["service"] as? [String: String] == ["namespace": "shop", "name": "lb"])
        try agent.define(
            service(
                #"{"address": "10.244.1.9", "nodeName": "node-a", "conditions": {"ready": false, "terminating": true}}, "#
                    + #"{"address": "10.244.2.9", "nodeName": "node-b"}"#), in: "lb.json")
        #expect(try await agent.until { try answer().status == 503 })
        #expect(try agent.get("/", port: 32000).status == 404, "node ports are not served at loopback addresses")
        try FileManager.default.removeItem(atPath: files["services/lb.json"])
        #expect(try await agent.until { try answer().status == 0 })
        _ = try agent.stop()
    }

    /// Only root may ask over the socket; what is asked there that is not known is refused.
    @Test func statusAndEvents() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try await AgentProcess.ready(in: namespace, Self.files())
        var status = stat()
        #expect(stat(agent.files["agent.sock"], &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let text = try namespace.svcctl("status", "--socket", agent.files["agent.sock"])
        #expect(text.output.contains("ready since"))
        #expect(text.output.contains("source file:\(agent.files["services"]): current"))
        #expect(text.output.contains("shop/web:http"))
        let json = try namespace.svcctl("status", "-o", "json", "--socket", agent.files["agent.sock"])
        let report = try #require(JSONText.object(json.output)["agent"] as? [String: Any])
        #expect(report["ready"] as? Bool == true && report["services"] as? Int == 1)
        #expect(try agent.stop().status == 0)
        let without = try namespace.svcctl("status", "-o", "json", "--socket", agent.files["agent.sock"])
        #expect(try JSONText.object(without.output)["agent"] == nil)
        #expect(try namespace.svcctl("events", "--socket", agent.files["agent.sock"]).status == 66)
    }

    /// An address that somebody else has is named, and so is who may have it.
    @Test func addressInUse() async throws {
        let namespace = try NetworkNamespace("agent")
        let server = try EchoServer(in: namespace, address: ip("0.0.0.0"), port: 10256, name: "proxy")
        defer { server.stop() }
        let result = try AgentProcess(in: namespace, Self.files()).wait()
        #expect(result.status == 75)
        #expect(result.errors.contains("cannot listen on 0.0.0.0:10256: Address already in use;"), "\(result.errors)")
        #expect(result.errors.contains("kube-proxy"))
        #expect(try namespace.ruleset() == "")
        server.stop()
        let files = try Self.files()
        try files.write("no socket", to: "agent.sock")
        let other = try AgentProcess(in: namespace, files).wait()
        #expect(other.status == 75)
        #expect(other.errors.contains("agent.sock: what is there is no socket"), "\(other.errors)")
    }

    /// What scrapers, probes and strangers may send.
    @Test func speaksHTTP() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try await AgentProcess.ready(in: namespace, Self.files())
        func curl(_ arguments: String...) throws -> String {
            try namespace.toolResult(["curl", "--silent", "--include", "--max-time", "5"] + arguments).output
        }
        let metrics = try curl("http://127.0.0.1:10249/metrics")
        #expect(metrics.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
        let line = #"svcctl_service_connections_total{service="shop/web:http",kind="cluster IP",address="10.96.0.10","#
        #expect(metrics.contains(line))
        #expect(try curl("http://127.0.0.1:10249/").hasPrefix("HTTP/1.1 404"))
        #expect(try curl("--data", "x", "http://127.0.0.1:10256/healthz").hasPrefix("HTTP/1.1 405"))
        let head = try curl("--head", "http://127.0.0.1:10256/readyz")
        #expect(head.hasPrefix("HTTP/1.1 200") && head.hasSuffix("\r\n\r\n"))
        // Two requests on one connection.
        let twice = try curl("http://127.0.0.1:10256/livez", "http://127.0.0.1:10256/readyz")
        #expect(twice.contains("nodeEligible") && twice.hasSuffix("ready\n"))
        // What is no HTTP, or has no end, is cut off and does no harm.
        let garbage =
            "import socket; s = socket.create_connection(('127.0.0.1', 10256)); "
            + "s.sendall(b'\\x16\\x03' + b'A' * 200000 + b'\\r\\n\\r\\n'); s.settimeout(5); print(len(s.recv(10)))"
        _ = try namespace.toolResult(["python3", "-c", garbage])
        #expect(try agent.get("/livez").status == 200)
        #expect(try agent.metric(#"kubeproxy_proxy_livez_total{code="200"}"#) ?? 0 >= 2)
        _ = try agent.stop()
    }
}
