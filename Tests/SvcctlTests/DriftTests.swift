import DataplaneTestKit
import Foundation
import NetAddress
import Testing

/// `diff`, `status` and `cleanup`: what the kernel has, and what others do to it.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct DriftTests {
    @Test func differences() throws {
        let namespace = try NetworkNamespace("diff")
        let files = try Files(["web.json": Sample.web])
        let before = try namespace.generation()
        let all = try namespace.svcctl("diff", files["web.json"])
        #expect(all.status == 1)
        #expect(all.errors.isEmpty)
        let lines = all.output.split(separator: "\n")
        #expect(lines.allSatisfy { $0.hasPrefix("+ ") })
        #expect(lines.contains("+ table ip svcctl"))
        #expect(
            lines.contains(#"+ element ip svcctl cluster_services { 10.96.0.10 . tcp . 80 comment "shop/web:http" }"#))
        #expect(try namespace.generation() == before)

        #expect(try namespace.svcctl("apply", files["web.json"]).status == 0)
        #expect(try namespace.svcctl("diff", files["web.json"]) == ProgramResult(status: 0, output: "", errors: ""))
        let fewer = Sample.web.replacing(#", {"address": "10.244.1.3"}"#, with: "")
        let change = try namespace.svcctl("diff", "-", input: fewer)
        #expect(change.status == 1)
        #expect(
            change.output.contains(
                "\n- element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 : 10.244.1.3 . 8080 }\n"))
        #expect(
            change.output.contains(
                "+ element ip svcctl endpoints_1 { 10.96.0.10 . tcp . 80 . 0 : 10.244.1.2 . 8080 }\n"))
    }

    @Test func differencesAsJSON() throws {
        let namespace = try NetworkNamespace("diff-json")
        for isApplied in [false, true] {
            let result = try namespace.svcctl("diff", "--output", "json", "-", input: Sample.web)
            #expect(result.status == (isApplied ? 0 : 1))
            let report = try JSONText.object(result.output)
            #expect(Set(report.keys) == ["backend", "differences"])
            #expect(report["backend"] as? String == "nftables")
            let differences = try #require(report["differences"] as? [[String: String]])
            #expect(differences.isEmpty == isApplied)
            #expect(differences.allSatisfy { Set($0.keys) == ["change", "object"] && $0["change"] == "add" })
            #expect(try namespace.svcctl("apply", "-", input: Sample.web).status == 0)
        }
    }

    /// Whatever somebody does to our tables by hand is shown, and mended by `apply`.
    @Test(arguments: [
        (
            "delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }",
            "+ element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 : 10.244.1.3 . 8080 }"
        ),
        (
            "delete element ip6 svcctl cluster_services { fd00:96::10 . tcp . 80 }",
            #"+ element ip6 svcctl cluster_services { fd00:96::10 . tcp . 80 comment "shop/web:http" }"#
        ),
        ("add element ip svcctl cluster_ips { 10.9.9.9 }", "- element ip svcctl cluster_ips { 10.9.9.9 }"),
        ("flush chain ip svcctl nat_prerouting", "+ rule ip svcctl nat_prerouting jump services"),
        ("add rule ip svcctl filter_forward drop", "- rule ip svcctl filter_forward"),
        ("add chain ip svcctl mine", "- chain ip svcctl mine"),
        ("add set ip svcctl mine { type ipv4_addr; }", "- set ip svcctl mine"),
        ("delete table ip6 svcctl", "+ table ip6 svcctl"),
        ("flush ruleset", "+ table ip svcctl"),
    ])
    func handMadeChange(command: String, line: String) throws {
        let namespace = try NetworkNamespace("drift")
        let files = try Files(["web.json": Sample.web])
        #expect(try namespace.svcctl("apply", files["web.json"]).status == 0)
        let good = try namespace.ruleset()
        try namespace.nft(command + "\n")
        let difference = try namespace.svcctl("diff", files["web.json"])
        #expect(difference.status == 1)
        #expect(difference.output.split(separator: "\n").contains { $0.hasPrefix(line) }, "\(difference.output)")
        let mended = try namespace.svcctl("apply", files["web.json"])
        #expect(mended.status == 0)
        #expect(mended.output.hasPrefix("nftables: 1 service, 4 frontends; "))
        #expect(try namespace.svcctl("diff", files["web.json"]).status == 0)
        #expect(try namespace.ruleset().split(separator: "\n").sorted() == good.split(separator: "\n").sorted())
    }

    @Test func statusBefore() throws {
        let namespace = try NetworkNamespace("status")
        let text = try namespace.svcctl("status")
        #expect(text == ProgramResult(status: 0, output: "svcctl has no rules in this kernel\n", errors: ""))
        let json = try namespace.svcctl("status", "-o", "json")
        #expect(json == ProgramResult(status: 0, output: "{\"backend\": null, \"frontends\": []}\n", errors: ""))
    }

    @Test func statusCountsConnections() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers()
        #expect(try lab.node.svcctl("apply", "-", input: Sample.web).status == 0)
        let (ipv4, ipv6) = (try ip("10.96.0.10"), try ip("fd00:96::10"))
        let tally = try Client.tally(7, from: lab.client, to: ipv4, port: 80)
        #expect(tally.failures.isEmpty)
        #expect(try Client.tally(3, from: lab.pods[1].namespace, to: ipv6, port: 80).answers == ["pod1": 3])
        let nodePort = try Client.tally(2, from: lab.client, to: Lab.nodeAddresses.ipv4, port: 30080)
        #expect(nodePort.failures.isEmpty)

        let report = try StatusReport(of: lab.node)
        #expect(report.backend == "nftables")
        #expect(
            report.lines(of: "shop/web") == [
                "cluster IP 10.96.0.10:80/TCP serving 10.244.1.2:8080 10.244.1.3:8080",
                "cluster IP fd00:96::10:80/TCP serving fd00:244:1::2:8080",
                "node port *:30080/TCP serving 10.244.1.2:8080 10.244.1.3:8080",
                "node port *:30080/TCP serving fd00:244:1::2:8080",
            ])
        #expect(report.connections("10.96.0.10", 80) == 7)
        #expect(report.connections("fd00:96::10", 80) == 3)
        #expect(report.frontends.filter { $0.kind == "node port" }.map(\.connections).sorted() == [0, 2])

        let text = try lab.node.svcctl("status").output.split(separator: "\n").map(String.init)
        #expect(text.first == "backend nftables, 4 frontends")
        let row = try #require(text.first { $0.contains(" 10.96.0.10:80/TCP") })
        #expect(
            row.split(separator: " ", omittingEmptySubsequences: true)
                == [
                    "shop/web:http", "cluster", "IP", "10.96.0.10:80/TCP", "serving", "7", "0", "10.244.1.2:8080,",
                    "10.244.1.3:8080",
                ])
        // A second apply leaves the counters alone.
        #expect(try lab.node.svcctl("apply", "-", input: Sample.web).status == 0)
        #expect(try StatusReport(of: lab.node).connections("10.96.0.10", 80) == 7)
        withExtendedLifetime(servers) {}
    }

    @Test func cleanupLeavesWhatIsNotOurs() throws {
        let namespace = try NetworkNamespace("cleanup")
        try namespace.nft(
            """
            table inet svcctl {
                comment "svcctl: services, written by svcctl"
                chain c { type filter hook input priority 0; policy accept; }
            }
            table ip svcctl2 {
                map endpoints_1 { type ipv4_addr : verdict; }
            }
            table ip6 nat {
                chain postrouting { type nat hook postrouting priority srcnat; masquerade; }
            }

            """)
        let others = try namespace.ruleset()
        #expect(try namespace.svcctl("apply", "-", input: Sample.web).status == 0)
        #expect(try namespace.ruleset() != others)
        let removed = try namespace.svcctl("cleanup")
        #expect(removed == ProgramResult(status: 0, output: "removed 2 tables named svcctl\n", errors: ""))
        #expect(try namespace.ruleset() == others)

        let generation = try namespace.generation()
        #expect(try namespace.svcctl("cleanup").output == "nothing to remove\n")
        #expect(try namespace.svcctl("cleanup", "-o", "json").output == "{\"removed\": 0}\n")
        #expect(try namespace.generation() == generation)
    }
}
