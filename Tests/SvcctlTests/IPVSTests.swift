import DataplaneTestKit
import Foundation
import Glibc
import NetAddress
import Testing

/// `--backend ipvs` as a user meets it, without a kernel that has IPVS.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct IPVSCommandTests {
    /// A kernel without ip_vs: its name, exit code 69, and nothing changed.
    @Test(.enabled(if: !KernelFeature.hasIPVS, "this kernel has IPVS"))
    func namesTheMissingModule() throws {
        let namespace = try NetworkNamespace("no-ipvs")
        let files = try Files(["web.json": Sample.web])
        let result = try namespace.svcctl("apply", "--backend", "ipvs", files["web.json"])
        #expect(result.status == 69)
        #expect(result.errors.contains("the kernel has no module ip_vs"), "\(result.errors)")
        #expect(try namespace.tool(["ipset", "list", "-name"]).isEmpty)
        #expect(!(try namespace.tool(["ip", "link"]).contains("svcctl0")))
        #expect(try namespace.svcctl("status").output == "svcctl has no rules in this kernel\n")
        #expect(try namespace.svcctl("cleanup").output == "nothing to remove\n")
    }

    /// What is not right is said before the kernel is asked.
    @Test(arguments: [
        (#""scheduler": "nosuch""#, 65, #"or "lc" or "wlc""#),
        (
            #""maxConnections": 5"#, 65,
            "maxConnections and newConnectionsPerSecond are not available with --backend ipvs"
        ),
        (#""forwardingMethod": "direct""#, 65, "so that port 80 cannot lead to port 8080 of an endpoint"),
    ])
    func refusesDefinitions(member: String, status: Int32, message: String) throws {
        let namespace = try NetworkNamespace("ipvs-bad")
        let text = Sample.web.replacing(#""name": "shop/web""#, with: #""name": "shop/web", \#(member)"#)
        let result = try namespace.svcctl("apply", "--backend", "ipvs", "-", input: text)
        #expect(result.status == status)
        #expect(result.errors.contains(message), "\(result.errors)")
    }

    /// Semantics 59 and kubernetes#93175.
    @Test func refusesAnAddressOfTheNode() throws {
        let namespace = try NetworkNamespace("ipvs-own")
        try namespace.ip(["address add 10.96.0.10/32 dev lo"])
        let result = try namespace.svcctl("apply", "--backend", "ipvs", "-", input: Sample.web)
        #expect(result.status == 65)
        #expect(result.errors.contains("10.96.0.10 is an address of the node itself"), "\(result.errors)")
    }

    /// The same on every machine: node ports are there if the node's addresses are said.
    @Test func dryRunNeedsNoKernel() throws {
        let namespace = try NetworkNamespace("ipvs-dry")
        let files = try Files(["web.json": Sample.web])
        func lines(_ arguments: String...) throws -> [String] {
            let result = try namespace.svcctlWithoutNetlink(
                ["apply", "--dry-run", "--backend", "ipvs", files["web.json"]] + arguments)
            #expect(result.status == 0)
            return result.output.split(separator: "\n").map(String.init)
        }
        let without = try lines()
        #expect(
            without.filter { $0.hasPrefix("# ") } == [
                "# ipset restore", "# iptables-nft-restore --noflush", "# ip6tables-nft-restore --noflush",
                "# ip -batch -", "# ipvsadm -R",
            ])
        #expect(without.contains("-a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1"))
        #expect(!without.contains { $0.contains(":30080") })
        #expect(try lines("--node-address", "192.0.2.1").contains("-A -t 192.0.2.1:30080 -s wrr"))
    }
}

/// The same with a kernel that has it.
@Suite(
    .enabled(if: TestPrivilege.canMakeNamespaces), .enabled(if: KernelFeature.hasIPVS, "this kernel has no IPVS"),
    .serialized)
struct IPVSTests {
    @Test func appliesOnceAndCleansUp() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        for name in ["conntrack", "expire_nodest_conn", "expire_quiescent_template"] {
            try lab.node.sysctl("net.ipv4.vs.\(name)", "1")
        }
        let text = Self.service(Lab.podAddresses(1).ipv4)
        func run(_ arguments: String...) throws -> ProgramResult { try lab.node.svcctl(arguments, input: text) }
        let first = try run("apply", "--backend", "ipvs", "-")
        #expect(first.status == 0 && first.errors.isEmpty, "\(first.errors)")
        #expect(try run("apply", "--backend", "ipvs", "-").output == "nothing to change: 1 service, 1 frontend\n")
        #expect(try run("diff", "--backend", "ipvs", "-") == ProgramResult(status: 0, output: "", errors: ""))
        let address = try #require(IPAddress("10.96.0.10"))
        #expect(try Client.tally(5, from: lab.client, to: address, port: 80).failures.isEmpty)
        let status = try run("status", "--endpoints")
        #expect(status.output.hasPrefix("backend ipvs, 1 frontend\n"))
        #expect(status.output.contains("shop/web  10.96.0.10:80/TCP  \(Lab.podAddresses(1).ipv4):8080"))
        // The kernel adds up its counters every two seconds.
        var counted: (connections: Int?, packets: Int?)
        let end = ContinuousClock.now + .seconds(30)
        repeat {
            usleep(200_000)
            let report = try JSONText.object(run("status", "-o", "json").output)
            let frontend = try #require((report["frontends"] as? [[String: Any]])?.first)
            let traffic = try #require(frontend["traffic"] as? [String: Any])
            let incoming = try #require(traffic["incoming"] as? [String: Any])
            counted = (frontend["connections"] as? Int, incoming["packets"] as? Int)
        } while !(counted.connections == 5 && counted.packets ?? 0 >= 15) && ContinuousClock.now < end
        #expect(counted.connections == 5)
        #expect(counted.packets ?? 0 >= 15)
        #expect(try run("cleanup").output.contains("objects of IPVS"))
        #expect(try lab.node.tool(["ipvsadm", "-S", "-n"]).isEmpty)
        #expect(try lab.node.tool(["ipset", "list", "-name"]).isEmpty)
    }

    /// The agent follows definitions, mends what others do, lets connections end where they are, and leaves all of it in
    /// place when it dies.
    @Test func agentFollowsAndMends() async throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let files = try Files()
        let options = ["--backend", "ipvs", "--set-sysctls", "--resync-period", "2s"]
        let agent = try AgentProcess(in: lab.node, files, options)
        let (one, two) = (Lab.podAddresses(1).ipv4, Lab.podAddresses(2).ipv4)
        try agent.define(Self.service(one))
        let address = try #require(IPAddress("10.96.0.10"))
        try await agent.becomesReady()
        func saved() throws -> String { try lab.node.tool(["ipvsadm", "-S", "-n"]) }
        func leads(to endpoint: IPAddress, weight: Int) throws -> Bool {
            try saved().contains("-a -t 10.96.0.10:80 -r \(endpoint):8080 -m -w \(weight)\n")
        }

        let connection = try LongConnection(from: lab.client, to: address, port: 80)
        try agent.define(Self.service(two))
        let moves = try await agent.until { try leads(to: two, weight: 1) && leads(to: one, weight: 0) }
        #expect(moves)
        #expect(try connection.exchange("still there") == "still there")
        #expect(try Client.tally(6, from: lab.client, to: address, port: 80).failures.isEmpty)

        try lab.node.tool(["ipvsadm", "-d", "-t", "10.96.0.10:80", "-r", "\(two):8080"])
        let isMended = try await agent.until { try leads(to: two, weight: 1) }
        #expect(isMended)
        try lab.node.tool(["iptables-nft", "-t", "mangle", "-F"])
        let isBack = try await agent.until {
            try lab.node.tool(["iptables-nft", "-t", "mangle", "-S", "PREROUTING"]).contains("SVCCTL_IPVS-SERVICES")
        }
        #expect(isBack)

        agent.signal(SIGKILL)
        _ = try agent.wait()
        #expect(try connection.exchange("and now") == "and now")
        #expect(try Client.tally(6, from: lab.client, to: address, port: 80).failures.isEmpty)
        let successor = try AgentProcess(in: lab.node, files, options)
        try await successor.becomesReady()
        #expect(try leads(to: one, weight: 0), "a successor knows who leaves")
        #expect(try connection.exchange("once more") == "once more")
        #expect(try successor.stop().status == 0)
    }

    /// An address that another interface gets is the node's, with all of its ports, and comes back to the service when that
    /// loses it.
    @Test func agentGivesAddressesUpToTheNode() async throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let files = try Files()
        let agent = try AgentProcess(in: lab.node, files, ["--backend", "ipvs", "--set-sysctls"])
        try agent.define(Self.service(Lab.podAddresses(1).ipv4))
        try await agent.becomesReady()
        let address = try #require(IPAddress("10.96.0.10"))
        func isServed() throws -> Bool {
            try lab.node.tool(["ip", "-o", "address", "show", "dev", "svcctl0"]).contains("10.96.0.10/32")
                && lab.node.tool(["ipvsadm", "-S", "-n"]).contains("-A -t 10.96.0.10:80")
        }
        #expect(try isServed())
        let own = try EchoServer(in: lab.node, address: ip("0.0.0.0"), port: 9999, name: "node")
        defer { own.stop() }
        #expect(Client.probe(from: lab.client, to: address, port: 9999) == .refused)
        try lab.node.ip(["address add 10.96.0.10/32 dev lo"])
        #expect(try await agent.until { try !isServed() })
        #expect(Client.probe(from: lab.client, to: address, port: 9999).server == "node")
        #expect(try await agent.says("10.96.0.10 is an address of the node itself"))
        try lab.node.ip(["address delete 10.96.0.10/32 dev lo"])
        #expect(try await agent.until(isServed))
        #expect(try await agent.says("shop/web is no longer refused"))
        #expect(try Client.tally(3, from: lab.client, to: address, port: 80).failures.isEmpty)
        #expect(try agent.stop().status == 0)
    }

    /// A scheduler that only IPVS has: a start with another backend leaves it to IPVS until that is mended.
    @Test func agentStartsWithIPVSWhileServicesWouldBeLost() async throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let files = try Files()
        let endpoint = Lab.podAddresses(1).ipv4
        let first = try AgentProcess(in: lab.node, files, ["--backend", "ipvs", "--set-sysctls"])
        try first.define(Self.service(endpoint, more: #", "scheduler": "lc""#))
        try await first.becomesReady()
        #expect(try first.stop().status == 0)
        let agent = try await AgentProcess.ready(in: lab.node, files, ["--backend", "nftables"])
        #expect(try await agent.says("ipvs goes on"))
        #expect(try await agent.says("would not be served any more: shop/web"))
        #expect(try agent.metric("svcctl_configuration_pending") == 1)
        #expect(try lab.node.tool(["ipvsadm", "-S", "-n"]).contains("-A -t 10.96.0.10:80 -s lc"))
        let address = try ip("10.96.0.10")
        #expect(try Client.tally(3, from: lab.client, to: address, port: 80).failures.isEmpty)
        try agent.define(Self.service(endpoint))
        // The first rules of nftables may load a dozen modules, and in a virtual machine that takes half a minute.
        var isOther = false
        for _ in 1...5 where !isOther {
            isOther = try await agent.until {
                try lab.node.ruleset().contains("table ip svcctl") && lab.node.tool(["ipvsadm", "-S", "-n"]).isEmpty
            }
        }
        let log = try agent.log()
        #expect(isOther, "\(log)")
        #expect(try Client.tally(3, from: lab.client, to: address, port: 80).failures.isEmpty)
        #expect(try agent.stop().status == 0)
    }

    private static func service(_ endpoints: IPAddress..., more: String = "") -> String {
        let list = endpoints.map { #"{"address": "\#($0)"}"# }.joined(separator: ", ")
        return #"""
            {"services": [{"name": "shop/web", "clusterIPs": ["10.96.0.10"],
              "ports": [{"port": 80, "targetPort": 8080}], "endpoints": [\#(list)]\#(more)}]}
            """#
    }
}
