import DataplaneTestKit
import Foundation
import Testing

@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ApplyTests {
    @Test func secondRunSendsNothing() throws {
        let namespace = try NetworkNamespace("apply")
        let files = try Files(["web.json": Sample.web])
        let before = try namespace.generation()
        let first = try namespace.svcctl("apply", files["web.json"])
        #expect(first.status == 0)
        #expect(first.errors.isEmpty)
        #expect(
            first.output.wholeMatch(of: #/nftables: 1 service, 4 frontends; \d+ objects added, 0 changed, 0 removed\n/#)
                != nil)
        // All of it is one transaction.
        let generation = try namespace.generation()
        #expect(generation == before + 1)
        let ruleset = try namespace.ruleset()

        let second = try namespace.svcctl("apply", files["web.json"])
        #expect(second == ProgramResult(status: 0, output: "nothing to change: 1 service, 4 frontends\n", errors: ""))
        #expect(try namespace.generation() == generation)
        #expect(try namespace.ruleset() == ruleset)
    }

    /// The same definitions, however they come, make the same kernel.
    @Test func filesDirectoriesAndStandardInput() throws {
        let namespace = try NetworkNamespace("inputs")
        let files = try Files(["a.json": Sample.web, "b.yaml": Sample.dns, "c.yml": Sample.empty, "notes.txt": "{"])
        let paths = ["a.json", "b.yaml", "c.yml"].map { files[$0] }
        let first = try namespace.svcctl(["apply"] + paths)
        #expect(first.status == 0)
        #expect(first.output.hasPrefix("nftables: 3 services, 9 frontends; "))
        let frontends = try StatusReport(of: namespace).frontends.map(\.line)
        #expect(frontends.count == 9)

        let nothing = "nothing to change: 3 services, 9 frontends\n"
        #expect(try namespace.svcctl("apply", files.directory).output == nothing)
        #expect(try namespace.svcctl(["apply"] + paths.reversed()).output == nothing)
        #expect(try namespace.svcctl("apply", "-", paths[0], paths[2], input: Sample.dns).output == nothing)
        let documents = [Sample.dns, Sample.empty].joined(separator: "\n---\n")
        #expect(try namespace.svcctl("apply", paths[0], "-", input: documents).output == nothing)
        #expect(try StatusReport(of: namespace).frontends.map(\.line) == frontends)
    }

    /// What the definitions no longer have goes.
    @Test func removesWhatIsGone() throws {
        let namespace = try NetworkNamespace("removal")
        #expect(try namespace.svcctl("apply", "-", input: Sample.dns).status == 0)
        let alone = try namespace.ruleset()
        let files = try Files(["dns.yaml": Sample.dns, "web.json": Sample.web])
        #expect(try namespace.svcctl("apply", files.directory).status == 0)
        #expect(try namespace.ruleset() != alone)
        #expect(try namespace.svcctl("apply", "-", input: Sample.dns).status == 0)
        #expect(try namespace.ruleset() == alone)
        #expect(try namespace.svcctl("apply", "-", input: #"{"services": []}"#).status == 0)
        #expect(try StatusReport(of: namespace).frontends.isEmpty)
    }

    @Test func json() throws {
        let namespace = try NetworkNamespace("json")
        let fields: Set = ["backend", "services", "frontends", "added", "changed", "removed", "endedFlows"]
        for isFirst in [true, false] {
            let result = try namespace.svcctl(["apply", Svcctl.cluster, "-o", "json"] + Svcctl.clusterNode)
            #expect(result.status == 0)
            let report = try JSONText.object(result.output)
            #expect(Set(report.keys) == fields)
            #expect(report["backend"] as? String == "nftables")
            #expect(report["services"] as? Int == 9)
            #expect(report["frontends"] as? Int == 21)
            #expect((report["added"] as? Int ?? 0 > 0) == isFirst)
            #expect(report["changed"] as? Int == 0)
            #expect(report["removed"] as? Int == 0)
        }
    }

    /// The options reach the kernel: they are what the rules differ by.
    @Test(arguments: [
        (["--masquerade-all"], "meta mark set meta mark | 0x00004000"),
        (["--masquerade-all", "--masquerade-bit", "31"], "meta mark set meta mark | 0x80000000"),
        (["--cluster-cidr", "10.244.0.0/16"], "ip saddr 10.244.0.0/16 goto choose_endpoint"),
        (["--cluster-cidr", "10.244.0.0/16,fd00:244::/48"], "ip6 saddr fd00:244::/48 goto choose_endpoint"),
        (["--service-cidr", "10.96.0.0/12"], "ip daddr 10.96.0.0/12 fib daddr type != local drop"),
        (["--nodeport-addresses", "192.0.2.0/24"], "ip daddr 192.0.2.0/24"),
    ])
    func options(arguments: [String], rule: String) throws {
        let namespace = try NetworkNamespace("options")
        func count() throws -> Int { try namespace.ruleset().split(separator: "\n").count { $0.contains(rule) } }
        #expect(try namespace.svcctl("apply", "-", input: Sample.web).status == 0)
        let before = try count()
        #expect(try namespace.svcctl(["apply", "-"] + arguments, input: Sample.web).status == 0)
        #expect(try count() > before)
    }
}
