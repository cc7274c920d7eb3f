import DataplaneTestKit
import Foundation
import Glibc
import NetAddress
import Synchronization
import Testing

/// Another backend in the configuration takes over while clients come and go, and none of them notices.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct AgentSwitchTests {
    @Test func switchesBackendsUnderLoad() async throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let files = try Files()
        try files.configure("backend: nftables\n")
        let agent = try AgentProcess(in: lab.node, files, ["--config", files["agent.yaml"]])
        let address = try #require(IPAddress("10.96.0.10"))
        let endpoints = (1...2).map { #"{"address": "\#(Lab.podAddresses($0).ipv4)"}"# }.joined(separator: ", ")
        try agent.define(
            """
            {"services": [{"name": "shop/web", "clusterIPs": ["\(address)"],
              "ports": [{"port": 80, "targetPort": 8080}], "endpoints": [\(endpoints)]}]}
            """)
        try await agent.becomesReady()

        let connection = try LongConnection(from: lab.client, to: address, port: 80)
        let isOver = Mutex(false)
        let failures = Mutex<[String]>([])
        let count = Mutex(0)
        let crowd = try BackgroundRun(in: lab.client) {
            while !isOver.withLock({ $0 }) {
                let tally = try Client.tally(10, from: lab.client, to: address, port: 80, timeout: .seconds(3))
                count.withLock { $0 += 10 }
                failures.withLock { $0 += tally.failures.map { "\($0)" } }
            }
        }
        for backend in ["iptables", "nftables", "iptables"] {
            let before = count.withLock { $0 }
            try files.configure("backend: \(backend)\n")
            agent.signal(SIGHUP)
            let isNew = backend == "iptables"
            let isThere = try await agent.until {
                let rules = try lab.node.ruleset()
                return rules.contains("SVCCTL-") == isNew && rules.contains("table ip svcctl") == !isNew
            }
            let log = try agent.log()
            #expect(isThere, "\(log)")
            let goesOn = try await agent.until { count.withLock { $0 } > before + 20 }
            #expect(goesOn)
            #expect(try connection.exchange(backend) == backend)
            #expect(try lab.node.svcctl("diff", "--backend", backend, files["services"]).status == 0)
        }
        isOver.withLock { $0 = true }
        try crowd.wait()
        #expect(failures.withLock { $0 } == [])
        #expect(try agent.stop().status == 0)
    }

    /// A backend that cannot work is not taken: the other one goes on, and follows what changes.
    @Test func keepsTheBackendIfAnotherCannotWork() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        try files.configure()
        let agent = try AgentProcess(in: namespace, files, ["--config", files["agent.yaml"]])
        try agent.define(Sample.web)
        try await agent.becomesReady()
        // Not what iptables makes, and so in its way.
        try namespace.nft("add table ip nat\nadd chain ip nat PREROUTING { type filter hook prerouting priority 5; }\n")
        try files.configure("backend: iptables\n")
        agent.signal(SIGHUP)
        #expect(try await agent.says("the configuration stays as it was: the chain PREROUTING"))
        try agent.define(Sample.dns, in: "dns.yaml")
        #expect(try await agent.until { try namespace.ruleset().contains("10.96.0.53 . udp . 53") })
        #expect(try agent.stop().status == 0)
    }

    /// What cannot be taken is tried again until it can, and said once. A configuration that is read after it stands in its
    /// place.
    @Test func takesAnotherBackendAsSoonAsItCanWork() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        func isPending(_ number: Double, _ agent: AgentProcess) async throws -> Bool {
            try await agent.until { try agent.metric("svcctl_configuration_pending") == number }
        }
        try files.configure("backend: nftables\n")
        let agent = try AgentProcess(in: namespace, files, ["--config", files["agent.yaml"]])
        try agent.define(Sample.web)
        try await agent.becomesReady()
        try namespace.nft("add table ip nat\nadd chain ip nat PREROUTING { type filter hook prerouting priority 5; }\n")
        try files.configure("backend: iptables\n")
        agent.signal(SIGHUP)
        #expect(try await isPending(1, agent))
        let status = try namespace.svcctl("status", "--socket", files["agent.sock"])
        #expect(status.output.contains("! configuration: the configuration stays as it was"), "\(status)")
        try files.configure("backend: nftables\n")
        agent.signal(SIGHUP)
        #expect(try await isPending(0, agent), "nothing is to be tried any more")
        try files.configure("backend: iptables\n")
        agent.signal(SIGHUP)
        #expect(try await isPending(1, agent))
        // Some tries, and not a word more.
        try await Task.sleep(for: .seconds(1))
        try namespace.nft("delete table ip nat\n")
        let isOther = try await agent.until {
            let rules = try namespace.ruleset()
            return rules.contains("SVCCTL-SERVICES") && !rules.contains("table ip svcctl")
        }
        let log = try agent.log()
        #expect(isOther, "\(log)")
        #expect(try await isPending(0, agent))
        #expect(log.components(separatedBy: "the configuration stays as it was").count == 3, "twice: \(log)")
        #expect(log.components(separatedBy: "the configuration that was read last can be taken now").count == 2)
        #expect(try agent.stop().status == 0)
    }

    /// The same for an address that another program has.
    @Test func listensElsewhereAsSoonAsItCan() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        try files.configure("")
        let agent = try AgentProcess(in: namespace, files, ["--config", files["agent.yaml"]])
        #expect(try await agent.until { try agent.get("/livez").status == 200 })
        let other = try EchoServer(in: namespace, address: ip("127.0.0.1"), port: 10300, name: "other")
        try files.configure("healthAddress: 127.0.0.1:10300\n")
        agent.signal(SIGHUP)
        #expect(try await agent.says("the configuration stays as it was: cannot listen on 127.0.0.1:10300"))
        #expect(try agent.get("/livez").status == 200)
        other.stop()
        #expect(try await agent.until { try agent.get("/livez", port: 10300).status == 200 })
        #expect(try agent.get("/livez").status == 0)
        #expect(try agent.stop().status == 0)
    }

    /// Issue 4: with the old rules a service would go that the new backend refuses. So the old one goes on for all until
    /// the definitions are such that nobody loses anything.
    @Test func keepsTheBackendWhileServicesWouldBeLost() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        func define(_ scheduler: String, _ port: Int) throws {
            let endpoint = #"{"address": "10.244.1.2", "ports": {"": \#(port)}}"#
            let members = #", "scheduler": "\#(scheduler)", "endpoints": [\#(endpoint)]"#
            let service = Sample.service("shop/web", address: "10.96.0.10", members)
            try files.write(#"{"services": [\#(service)]}"#, to: "services.new")
            try #require(rename(files["services.new"], files["services/web.json"]) == 0)
        }
        try files.configure("backend: nftables\n")
        let agent = try AgentProcess(in: namespace, files, ["--config", files["agent.yaml"]])
        try define("maglev", 8080)
        try await agent.becomesReady()
        try files.configure("backend: iptables\n")
        agent.signal(SIGHUP)
        #expect(try await agent.says("1 service would not be served any more: shop/web: scheduler maglev"))
        #expect(try agent.metric("svcctl_configuration_pending") == 1)
        let status = try namespace.svcctl("status", "--socket", files["agent.sock"])
        #expect(status.output.contains("configuration: the loop goes on as before"), "\(status)")
        try define("maglev", 8081)
        #expect(try await agent.until { try namespace.ruleset().contains("10.244.1.2 . 8081") }, "it goes on")
        #expect(try !namespace.ruleset().contains("SVCCTL-"))
        try define("random", 8082)
        let isOther = try await agent.until {
            let rules = try namespace.ruleset()
            return rules.contains("10.244.1.2:8082") && !rules.contains("table ip svcctl")
        }
        let log = try agent.log()
        #expect(isOther, "\(log)")
        #expect(try agent.metric("svcctl_configuration_pending") == 0)
        #expect(try agent.stop().status == 0)
    }

    /// A start with another backend than the one whose rules are in the kernel is such a switch: services that the new one
    /// refuses keep their rules, which follow what changes, until that is mended. No client notices any of it.
    @Test func startsWithTheBackendInTheKernelWhileServicesWouldBeLost() async throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let files = try Files()
        let address = try ip("10.96.0.10")
        func define(_ scheduler: String, _ pods: [Int]) throws {
            let endpoints = pods.map { #"{"address": "\#(Lab.podAddresses($0).ipv4)"}"# }.joined(separator: ", ")
            let web = """
                {"name": "shop/web", "clusterIPs": ["\(address)"], "ports": [{"port": 80, "targetPort": 8080}],
                 "scheduler": "\(scheduler)", "endpoints": [\(endpoints)]}
                """
            let other = Sample.service("shop/other", address: "10.96.0.20")
            try files.write(Sample.document(web, other), to: "services.new")
            try #require(rename(files["services.new"], files["services/web.json"]) == 0)
        }
        func arguments(_ backend: String) -> [String] {
            ["--source", "file:\(files["services"])", "--backend", backend]
        }
        let first = try AgentProcess(in: lab.node, files, arguments("nftables"))
        try define("maglev", [1])
        try await first.becomesReady()
        #expect(try first.stop().status == 0)

        let connection = try LongConnection(from: lab.client, to: address, port: 80)
        let isOver = Mutex(false)
        let failures = Mutex<[String]>([])
        let crowd = try BackgroundRun(in: lab.client) {
            while !isOver.withLock({ $0 }) {
                let tally = try Client.tally(10, from: lab.client, to: address, port: 80, timeout: .seconds(3))
                failures.withLock { $0 += tally.failures.map { "\($0)" } }
            }
        }
        func hasOnlyTable() throws -> Bool {
            let rules = try lab.node.ruleset()
            return rules.contains("table ip svcctl") && !rules.contains("SVCCTL-")
        }
        // The second finds the same as the first, which is killed meanwhile.
        for _ in 1...2 {
            let waiting = try await AgentProcess.ready(in: lab.node, files, arguments("iptables"))
            #expect(try await waiting.says("nftables goes on"))
            #expect(try await waiting.says("1 service would not be served any more: shop/web: scheduler maglev"))
            #expect(try waiting.metric("svcctl_configuration_pending") == 1)
            #expect(try hasOnlyTable())
            waiting.signal(SIGKILL)
            _ = try waiting.wait()
        }
        let agent = try await AgentProcess.ready(in: lab.node, files, arguments("iptables"))
        try define("maglev", [2])
        let next = Lab.podAddresses(2).ipv4
        #expect(try await agent.until { try lab.node.ruleset().contains("\(next) . 8080") }, "the old one follows")
        #expect(try hasOnlyTable())
        try define("random", [1, 2])
        let isOther = try await agent.until {
            let rules = try lab.node.ruleset()
            return rules.contains("SVCCTL-") && !rules.contains("table ip svcctl")
        }
        let log = try agent.log()
        #expect(isOther, "\(log)")
        #expect(try await agent.until { try agent.metric("svcctl_configuration_pending") == 0 })
        #expect(try connection.exchange("still there?") == "still there?")
        isOver.withLock { $0 = true }
        try crowd.wait()
        #expect(failures.withLock { $0 } == [])
        #expect(try agent.stop().status == 0)
    }

    /// What a reload could not take is tried again also when another backend goes on meanwhile.
    @Test func triesAgainWhileAnotherBackendGoesOn() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        func configure(_ more: String) throws { try files.configure("backend: iptables\n\(more)") }
        let web = Sample.service("shop/web", address: "10.96.0.10", #", "scheduler": "maglev""#)
        let definitions = Sample.document(web)
        #expect(try namespace.svcctl("apply", "-", input: definitions).status == 0)
        try configure("")
        let agent = try AgentProcess(in: namespace, files, ["--config", files["agent.yaml"]])
        #expect(try await agent.until { try agent.get("/livez").status == 200 })
        let other = try EchoServer(in: namespace, address: ip("127.0.0.1"), port: 10300, name: "other")
        try configure("healthAddress: 127.0.0.1:10300\n")
        agent.signal(SIGHUP)
        #expect(try await agent.says("the configuration stays as it was: cannot listen on 127.0.0.1:10300"))
        try agent.define(definitions)
        #expect(try await agent.says("nftables goes on"))
        #expect(try await agent.says("1 service would not be served any more"))
        other.stop()
        #expect(try await agent.until { try agent.get("/livez", port: 10300).status == 200 })
        #expect(try await agent.says("the configuration that was read last can be taken now"))
        #expect(try agent.stop().status == 0)
    }

    /// Where nothing would be lost, the new backend begins at once.
    @Test func startsWithAnotherBackend() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try AgentTests.files()
        for backend in ["iptables", "nftables", "iptables"] {
            let agent = try await AgentProcess.ready(in: namespace, files, ["--backend", backend])
            let isAlone = try await agent.until {
                let rules = try namespace.ruleset()
                return rules.contains("SVCCTL-") == (backend == "iptables")
                    && rules.contains("table ip svcctl") == (backend == "nftables")
            }
            let log = try agent.log()
            #expect(isAlone && !log.contains("goes on"), "\(log)")
            #expect(try agent.metric("svcctl_configuration_pending") == 0)
            #expect(try agent.stop().status == 0)
        }
    }

    /// Issue 4: a source that is not there must not end what the other ones say. The loop goes on as before until every
    /// source is complete; and a configuration without that source needs nothing of it.
    @Test func goesOnUntilNewSourcesAreComplete() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        func configure(_ others: String...) throws {
            let sources = ([files["services"]] + others.map { files[$0] }).map { "- \"file:\($0)\"\n" }.joined()
            try files.write("source:\n" + sources, to: "agent.yaml")
        }
        func define(_ address: String) throws {
            try files.write(#"{"services": [\#(Sample.service(address: address))]}"#, to: "services.new")
            try #require(rename(files["services.new"], files["services/web.json"]) == 0)
        }
        try configure()
        let agent = try AgentProcess(in: namespace, files, ["--config", files["agent.yaml"]])
        func follows(_ address: String) async throws -> Bool {
            try define(address)
            return try await agent.until { try namespace.ruleset().contains("\(address) . tcp . 80") }
        }
        #expect(try await follows("10.96.0.10"))
        try configure("missing.json")
        agent.signal(SIGHUP)
        #expect(try await agent.until { try agent.metric("svcctl_configuration_pending") == 1 })
        #expect(try await follows("10.96.0.11"), "while another source is missing")
        try configure()
        agent.signal(SIGHUP)
        #expect(try await agent.until { try agent.metric("svcctl_configuration_pending") == 0 })
        #expect(try await follows("10.96.0.12"), "back to what was")
        try configure("missing.json")
        agent.signal(SIGHUP)
        #expect(try await agent.until { try agent.metric("svcctl_configuration_pending") == 1 })
        let other = Sample.service("shop/other", address: "10.96.0.20")
        try files.write(#"{"services": [\#(other)]}"#, to: "missing.json")
        #expect(try await agent.until { try namespace.ruleset().contains("10.96.0.20 . tcp . 80") })
        #expect(try await follows("10.96.0.13"), "with both")
        #expect(try agent.metric("svcctl_configuration_pending") == 0)
        #expect(try agent.stop().status == 0)
    }

    /// What is wrong with a configuration is said for as long as it stands in the file.
    @Test func saysWhatIsWrongWithAConfiguration() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        try files.configure("")
        let agent = try AgentProcess(in: namespace, files, ["--config", files["agent.yaml"]])
        #expect(try await agent.until { try agent.get("/livez").status == 200 })
        func says(_ text: String) async throws -> Bool {
            agent.signal(SIGHUP)
            return try await agent.until {
                try namespace.svcctl("status", "--socket", files["agent.sock"]).output.contains(
                    "! configuration: the configuration stays as it was: \(text)")
            }
        }
        try files.configure("resyncPeriod: soon\n")
        #expect(try await says("\(files["agent.yaml"]):"))
        try FileManager.default.removeItem(atPath: files["agent.yaml"])
        #expect(try await says("\(files["agent.yaml"]): No such file or directory"))
        #expect(try agent.metric("svcctl_configuration_pending") == 1)
        try files.configure("")
        agent.signal(SIGHUP)
        #expect(try await agent.until { try agent.metric("svcctl_configuration_pending") == 0 })
        #expect(try agent.stop().status == 0)
    }

    @Test func protectionGoesWithOneBackendAlone() throws {
        let result = try Svcctl.run("agent", "--source", "file:/tmp", "--backend", "iptables", "--protect")
        #expect(result.status == 64)
        #expect(result.errors.contains("protect goes with the nftables backend alone"))
    }
}

extension Files {
    /// Writes the agent's configuration: the directory of services as its source, and more lines.
    fileprivate func configure(_ more: String = "") throws {
        try write("source: \"file:\(self["services"])\"\n\(more)", to: "agent.yaml")
    }
}
