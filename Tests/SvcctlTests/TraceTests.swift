import DataplaneTestKit
import Foundation
import Testing

/// `trace` as a user runs it.
struct TraceTests {
    private func trace(_ arguments: String..., input: String = Sample.web) throws -> ProgramResult {
        let files = try Files(["web.json": input])
        return try hostProgram([Svcctl.path(), "trace"] + arguments + [files["web.json"]])
    }

    @Test func definitions() throws {
        let result = try trace(
            "--from", "192.0.2.10", "--node-address", "192.0.2.10,fd00::10", "--to", "10.96.0.10:80/TCP")
        #expect(result.status == 0 && result.errors.isEmpty)
        #expect(
            result.output == """
                tcp 192.0.2.10 -> 10.96.0.10:80, from a process of the node
                output: chain nat_output
                  services: ip daddr . meta l4proto . th dport = 10.96.0.10 . tcp . 80 is in cluster_services: \
                shop/web:http; goto cluster_service
                  pick_endpoint: one of 2 slots of endpoints_2: 10.244.1.2:8080 (1/2), 10.244.1.3:8080 (1/2); redirected
                postrouting: not masqueraded
                = 10.244.1.2:8080 with probability 1/2
                = 10.244.1.3:8080 with probability 1/2

                """)
    }

    @Test func fromOutside() throws {
        let result = try trace("--from", "fd00::1", "--node-address", "fd00::10", "--to", "[fd00::10]:30080")
        #expect(result.status == 0)
        #expect(result.output.contains("\n= [fd00:244:1::2]:8080, masqueraded\n"))
        #expect(!result.output.contains("note:"))
        let byInterface = try trace(
            "--from", "fd00::1", "--node-address", "fd00::10", "--to", "[fd00::10]:30080",
            "--pod-interface-name-prefix", "veth")
        #expect(
            byInterface.output.hasSuffix(
                "note: the interface is not known (--via), so that rules about interfaces may not match\n"))
        let via = try trace(
            "--from", "fd00::1", "--node-address", "fd00::10", "--via", "eth0", "--to", "[fd00:96::10]:81", "--verbose")
        #expect(via.output.hasPrefix("tcp fd00::1 -> [fd00:96::10]:81, through eth0\n"))
        #expect(
            via.output.contains(
                "  services rule 1: ip6 daddr . meta l4proto . th dport = fd00:96::10 . tcp . 81 is not in cluster_services; no match\n"
            ))
        #expect(via.output.hasSuffix("= refused\n"))
    }

    @Test func asJSON() throws {
        let result = try trace("--from", "192.0.2.1", "--to", "10.96.0.10:80", "-o", "json")
        let report = try JSONText.object(result.output)
        #expect(
            Set(report.keys) == [
                "from", "to", "protocol", "origin", "interface", "outcomes", "definitions", "notes", "stages",
                "outcomesOverLimits",
            ])
        let outcomes = try #require(report["outcomes"] as? [[String: Any]])
        #expect(outcomes.count == 2)
        #expect(outcomes.allSatisfy { ($0["probability"] as? [String: Int]) == ["numerator": 1, "denominator": 2] })
        #expect(report["definitions"] as? [String] == ["shop/web:http"])
    }

    @Test(arguments: [
        (["--to", "10.96.0.10:80"], "--from"),
        (["--from", "10.0.0.1"], "--to"),
        (["--from", "10.0.0.1", "--to", "10.96.0.10"], "has no port: write 10.96.0.10:80"),
        (["--from", "fd00::1", "--to", "fd00::2"], "has no port: write [fd00::2]:80"),
        (["--from", "fd00::1", "--to", "[fd00::2]"], "no address and port"),
        (["--from", "fd00::1", "--to", "fd00::2:80/TCP/x"], "protocol"),
        (["--from", "10.0.0.1", "--to", "10.96.0.10:80/ICMP"], "/TCP, /UDP or /SCTP"),
        (["--from", "10.0.0.1", "--to", "10.96.0.10:0"], "no address and port"),
        (["--from", "10.0.0.1", "--to", "10.96.0.10:65536"], "no address and port"),
        (["--from", "10.0.0.1", "--to", "[10.96.0.10]:80"], "no address and port"),
        (["--from", "10.0.0.1", "--to", "[fd00::2]:80"], "same family"),
        (["--from", "web", "--to", "10.96.0.10:80"], "'web' is no address"),
        (["--from", "10.0.0.1", "--to", "10.96.0.10:80", "--node-address", "10.0.0.1,"], "--node-address"),
        (["--from", "127.0.0.1", "--to", "10.96.0.10:80", "--via", "eth0"], "--via"),
        (["--from", "10.0.0.1", "--to", "10.96.0.10:80", "--backend", "iptables"], "`iptables-save -c`"),
        (["--from", "10.0.0.1", "--to", "10.96.0.10:80", "--backend", "iptables"], "--backend nftables alone"),
    ])
    func usage(arguments: [String], named: String) throws {
        let result = try hostProgram([Svcctl.path(), "trace"] + arguments)
        #expect(result.status == 64)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains(named), "\(result.errors)")
    }

    @Test func badFiles() throws {
        let arguments = ["trace", "--from", "10.0.0.1", "--to", "10.96.0.10:80"]
        #expect(try hostProgram([Svcctl.path()] + arguments + ["/nowhere.json"]).status == 66)
        #expect(try trace("--from", "10.0.0.1", "--to", "10.96.0.10:80", input: #"{"services": 1}"#).status == 65)
    }

    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func actualRules() throws {
        let namespace = try NetworkNamespace("trace")
        // The node's own addresses are those of the namespace.
        try namespace.ip(["address add 192.0.2.10/32 dev lo"])
        let question = ["trace", "--from", "192.0.2.10", "--to", "10.96.0.10:80"]
        let nothing = try namespace.svcctl(question)
        #expect(nothing.status == 66 && nothing.output.isEmpty)
        #expect(nothing.errors.contains("name a FILE"))

        #expect(try namespace.svcctl("apply", "-", input: Sample.web).status == 0)
        let both = try namespace.svcctl(question)
        #expect(both.status == 0)
        #expect(both.output.contains("from a process of the node"))
        #expect(both.output == (try namespace.svcctl(question + ["-"], input: Sample.web)).output)
        try namespace.nft("delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }\n")
        let torn = try namespace.svcctl(question)
        #expect(torn.output.hasSuffix("= 10.244.1.2:8080 with probability 1/2\n= dropped with probability 1/2\n"))

        let forbidden = try namespace.svcctlWithoutPrivilege(question)
        #expect(forbidden.status == 77 && forbidden.output.isEmpty)
        #expect(try namespace.svcctlWithoutPrivilege(question + ["-"], input: Sample.web).status == 0)
        // With definitions and the node's addresses, nothing is asked of the kernel.
        let offline = ["trace", "--from", "10.0.0.1", "--to", "10.96.0.10:80", Svcctl.cluster]
        #expect(
            try namespace.svcctlWithoutNetlink(offline + ["--node-address", "10.0.0.1"], errno: 13).status == 0)
        let unknown = try namespace.svcctlWithoutNetlink(offline, errno: 13)
        #expect(unknown.status == 66 && unknown.errors.contains("--node-address"))
    }
}
