import DataplaneTestKit
import Foundation
import Glibc
import NetAddress
import Testing

/// What the agent has to do with the node: its addresses, its kernel's settings, its service manager, its tables.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct AgentNodeTests {
    /// Semantics 35: a source range that holds an address of the node lets the node use an address that is bound to it,
    /// from the moment on when it has the former.
    @Test func followsTheNodesAddresses() async throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try lab.node.ip(["addr add 203.0.113.8/32 dev lo"])
        let files = try Files()
        let agent = try AgentProcess(in: lab.node, files)
        try agent.define(
            Sample.document(
                """
                {"name": "shop/web", "loadBalancerIPs": ["203.0.113.8"], "loadBalancerSourceRanges": ["198.51.100.0/24"],
                 "ports": [{"port": 80, "targetPort": 8080}], "endpoints": [{"address": "10.244.1.2"}]}
                """))
        try await agent.becomesReady()
        func probe() throws -> Outcome {
            Client.probe(from: lab.node, to: try ip("203.0.113.8"), port: 80, timeout: .milliseconds(200))
        }
        #expect(try probe() == .timedOut)
        try lab.node.ip(["addr add 198.51.100.9/32 dev lo"])
        #expect(try await agent.until { try probe().server == "pod1" })
        try lab.node.ip(["addr del 198.51.100.9/32 dev lo"])
        #expect(try await agent.until { try probe() == .timedOut })
        _ = try agent.stop()
    }

    @Test func namesWrongSettingsAndSetsThemIfItIsTold() async throws {
        let namespace = try NetworkNamespace("agent")
        try namespace.sysctl("net.ipv4.ip_forward", "0")
        let files = try AgentTests.files()
        let agent = try await AgentProcess.ready(in: namespace, files)
        #expect(try await agent.says("net.ipv4.ip_forward is 0 and must be 1"))
        #expect(try agent.metric(#"svcctl_sysctl_wrong{sysctl="net.ipv4.ip_forward"}"#) == 1)
        #expect(try namespace.sysctl("net.ipv4.ip_forward") == "0")
        _ = try agent.stop()
        let setting = try await AgentProcess.ready(in: namespace, files, ["--set-sysctls"])
        #expect(try await setting.says("net.ipv4.ip_forward is set to 1; it was 0"))
        #expect(try namespace.sysctl("net.ipv4.ip_forward") == "1")
        #expect(try setting.metric(#"svcctl_sysctl_wrong{sysctl="net.ipv4.ip_forward"}"#) == nil)
        _ = try setting.stop()
    }

    /// Semantics 49: load balancers are told of a node that is being deleted by `/healthz` alone; the agent goes on.
    @Test func tellsThatTheNodeIsBeingDeleted() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try AgentTests.files()
        let agent = try await AgentProcess.ready(in: namespace, files, ["--node-name", "node-a"])
        func define(taints: String) throws {
            let deletion = #"[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]"#
            let nodes = [("node-b", deletion), ("node-a", taints)].map { name, taints in
                #"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "\#(name)"}, "spec": {"taints": \#(taints)}}"#
            }
            let list = #"{"apiVersion": "v1", "kind": "List", "items": [\#(nodes.joined(separator: ", "))]}"#
            try agent.define(list, in: "nodes.json")
        }
        try define(taints: #"[{"key": "ToBeDeletedByClusterAutoscaler", "value": "1", "effect": "NoSchedule"}]"#)
        #expect(try await agent.until { try agent.get("/healthz").status == 503 })
        #expect(try JSONText.object(agent.get("/healthz").body)["nodeEligible"] as? Bool == false)
        #expect(try agent.get("/livez").status == 200)
        #expect(try agent.get("/readyz").status == 200)
        #expect(try agent.metric("svcctl_node_eligible") == 0)
        #expect(try agent.log().contains("the node node-a is being deleted"))
        let status = try namespace.svcctl("status", "--socket", files["agent.sock"])
        #expect(status.output.contains("! node node-a: it is being deleted"), "\(status)")
        try define(taints: "1")
        #expect(try await agent.says("items[1].spec.taints: expected a list, found the number 1"))
        #expect(try agent.get("/healthz").status == 503, "the last good state holds")
        try define(taints: "[]")
        #expect(try await agent.until { try agent.get("/healthz").status == 200 })
        #expect(try JSONText.object(agent.get("/healthz").body)["nodeEligible"] as? Bool == true)
        #expect(try agent.metric("svcctl_node_eligible") == 1)
        #expect(try agent.stop().status == 0)
    }

    /// Whoever asks over either family is answered, whatever new sockets are by default (ipv6(7), `IPV6_V6ONLY`).
    @Test(arguments: ["0", "1"]) func listensInBothFamilies(bindv6only: String) async throws {
        let namespace = try NetworkNamespace("agent")
        try namespace.sysctl("net.ipv6.bindv6only", bindv6only)
        try namespace.ip([
            "link add name v0 type veth peer name v1", "addr add 192.0.2.10/24 dev v0",
            "addr add 2001:db8::10/64 dev v0 nodad", "link set v0 up", "link set v1 up",
        ])
        let files = try Files()
        let agent = try AgentProcess(
            in: namespace, files, ["--node-name", "node-a", "--health-address", "[::]:10256"])
        let endpoint = #"{"address": "10.244.1.9", "nodeName": "node-a"}"#
        let members =
            #", "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000, "endpoints": [\#(endpoint)]"#
        try agent.define(Sample.document(Sample.service("shop/lb", members)))
        try await agent.becomesReady()
        for host in ["192.0.2.10", "[2001:db8::10]"] {
            #expect(try agent.get("/healthz", host: host).status == 200, "\(host)")
            #expect(try await agent.until { try agent.get("/", port: 32000, host: host).status == 200 }, "\(host)")
        }
        for host in ["127.0.0.1", "[::1]"] { #expect(try agent.get("/", port: 32000, host: host).status == 404) }
        #expect(try agent.stop().status == 0)
    }

    /// sd_notify(3): ready with the first state, alive at intervals, reloading and stopping.
    @Test func tellsTheServiceManager() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try AgentTests.files()
        let manager = try NotificationSocket(files["notify"])
        let agent = try AgentProcess(
            in: namespace, files,
            environment: ["NOTIFY_SOCKET": files["notify"], "WATCHDOG_USEC": "400000"])
        var heard = ""
        func hears(_ text: String) async throws -> Bool {
            try await agent.until {
                heard += manager.messages()
                return heard.contains(text)
            }
        }
        #expect(try await hears("READY=1\nSTATUS=1 service\n"))
        try agent.define(Sample.dns, in: "dns.yaml")
        #expect(try await hears("STATUS=2 services\n"))
        #expect(try await hears("WATCHDOG=1\n"))
        heard = ""
        #expect(try await hears("WATCHDOG=1\n"), "also when nothing happens")
        agent.signal(SIGHUP)
        #expect(try await hears("RELOADING=1\nMONOTONIC_USEC="))
        #expect(try await hears("READY=1\n"))
        #expect(try agent.stop().status == 0)
        #expect(try await hears("STOPPING=1\n"))
    }

    /// Issue 4: the end of a reload is told with the same word as the end of the start, and must not stand for it.
    @Test func aReloadBeforeTheFirstStateDoesNotTellThatItIsReady() async throws {
        let namespace = try NetworkNamespace("agent")
        let files = try Files()
        let manager = try NotificationSocket(files["notify"])
        let agent = try AgentProcess(
            in: namespace, files, ["--source", "file:\(files["services/web.json"])"],
            environment: ["NOTIFY_SOCKET": files["notify"]])
        #expect(try await agent.until { try agent.get("/livez").status == 200 })
        agent.signal(SIGHUP)
        #expect(try await agent.says("the configuration is as it was"))
        var heard = manager.messages()
        #expect(!heard.contains("READY=1"), "there is no state yet: \(heard)")
        try agent.define(Sample.web)
        let isTold = try await agent.until {
            heard += manager.messages()
            return heard.contains("READY=1")
        }
        #expect(isTold)
        #expect(try agent.stop().status == 0)
    }

    /// Nobody else can change the tables while the agent lives; they stay when it is killed, the next one takes them as
    /// they are, and without the option they can be changed by everybody again.
    @Test func protectsItsTables() async throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let files = try AgentTests.files()
        // Tables that were made without protection are made anew once.
        let first = try await AgentProcess.ready(in: lab.node, files)
        _ = try first.stop()
        let agent = try AgentProcess(in: lab.node, files, ["--protect"])
        try await agent.becomesReady()
        let connection = try LongConnection(from: lab.client, to: ip("10.96.0.10"), port: 80)
        #expect(throws: ProgramFailure.self) { try lab.node.nft("flush table ip svcctl\n") }
        #expect(throws: ProgramFailure.self) { try lab.node.nft("delete table ip svcctl\n") }
        let rival = try lab.node.svcctl("apply", "-", input: Sample.dns)
        #expect(rival.status == 74 && rival.errors.contains("does another program own the table"))
        try lab.node.nft("flush ruleset\n")
        #expect(try lab.node.elements("ip", "endpoints_2").count == 2, "others' flush leaves it out")
        #expect(try agent.metric(#"svcctl_drift_events_total{process="nft"}"#) == nil)
        agent.signal(SIGKILL)
        _ = try agent.wait()
        #expect(try connection.exchange("still there?") == "still there?")
        let before = try StatusReport(of: lab.node).connections("10.96.0.10", 80)
        let next = try await AgentProcess.ready(in: lab.node, files, ["--protect"])
        #expect(try StatusReport(of: lab.node).connections("10.96.0.10", 80) == before, "counters stay")
        #expect(throws: ProgramFailure.self) { try lab.node.nft("delete table ip svcctl\n") }
        #expect(try next.stop().status == 0)
        // Nobody owns them now, and who asks for no protection leaves them as they are.
        let apply = try lab.node.svcctl("apply", files["services/web.json"])
        #expect(apply.status == 0 && apply.output.hasPrefix("nothing to change"))
        try lab.node.nft("delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }\n")
        #expect(try lab.node.svcctl("cleanup").status == 0)
    }
}

/// The service manager's end of sd_notify(3).
private final class NotificationSocket: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    deinit { close(descriptor) }

    /// What has come since the last call, each message with a line feed behind it.
    func messages() -> String {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return text }
            text += String(decoding: buffer.prefix(count), as: UTF8.self) + "\n"
        }
    }
}
