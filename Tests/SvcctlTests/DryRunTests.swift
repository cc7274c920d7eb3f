import DataplaneTestKit
import Foundation
import Glibc
import Testing

/// The dry run prints what the stock tool loads, and touches nothing.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct DryRunTests {
    static let arguments = ["apply", "--dry-run", "--log-level", "error", Svcctl.cluster] + Svcctl.clusterNode

    @Test func needsNoPrivilege() throws {
        let namespace = try NetworkNamespace("dry")
        let before = try namespace.generation()
        let result = try namespace.svcctlWithoutPrivilege(Self.arguments)
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        #expect(try result == namespace.svcctl(Self.arguments))
        #expect(try namespace.generation() == before)
        #expect(try namespace.ruleset().isEmpty)
    }

    /// A program that opens a netlink socket here is killed; that `apply` is shows that the trap works.
    @Test func opensNoNetlinkSocket() throws {
        let namespace = try NetworkNamespace("sandbox")
        let dryRun = try namespace.svcctlWithoutNetlink(Self.arguments)
        #expect(dryRun.status == 0)
        #expect(dryRun.output.contains("table ip svcctl"))
        #expect(try namespace.svcctlWithoutNetlink(["check", Svcctl.cluster]).status == 0)
        let apply = try namespace.svcctlWithoutNetlink(["apply", Svcctl.cluster])
        #expect(apply.status == 128 + SIGSYS)
    }

    @Test func loadsToWhatApplyMakes() throws {
        let loaded = try NetworkNamespace("loaded")
        let applied = try NetworkNamespace("applied")
        let script = try loaded.svcctl(Self.arguments)
        try loaded.nft(script.output)
        #expect(try applied.svcctl(["apply", Svcctl.cluster] + Svcctl.clusterNode).status == 0)
        let list = ["nft", "-j", "list", "ruleset"]
        #expect(try loaded.tool(list) == applied.tool(list))
        let second = try loaded.svcctl(["apply", Svcctl.cluster] + Svcctl.clusterNode)
        #expect(second.output == "nothing to change: 9 services, 21 frontends\n")

        let json = try applied.svcctl(Self.arguments + ["--output", "json"])
        #expect(json.status == 0)
        #expect(try JSONText.rulesetObjects(json.output) == JSONText.rulesetObjects(applied.tool(list)))
    }

    /// The order of files, objects, endpoints and ports does not show; nor does the format.
    @Test func doesNotDependOnOrder() throws {
        let cluster = try JSONText.object(String(contentsOfFile: Svcctl.cluster, encoding: .utf8))
        let items = try #require(cluster["items"] as? [[String: Any]])
        let shuffled = items.reversed().map(Self.reversed)
        func list(_ items: some Collection<[String: Any]>) throws -> String {
            let list: [String: Any] = ["apiVersion": "v1", "kind": "List", "items": Array(items)]
            return String(decoding: try JSONSerialization.data(withJSONObject: list), as: UTF8.self)
        }
        let files = try Files([
            "z.json": list(shuffled.prefix(7)), "m.json": list(shuffled.dropFirst(7).prefix(6)),
            "a.json": list(shuffled.dropFirst(13)),
        ])
        let options = ["--dry-run", "--log-level", "error"] + Svcctl.clusterNode
        let expected = try hostProgram([Svcctl.path()] + Self.arguments).output
        #expect(!expected.isEmpty)
        for names in [["a.json", "m.json", "z.json"], ["m.json", "z.json", "a.json"]] {
            let result = try hostProgram([Svcctl.path(), "apply"] + names.map { files[$0] } + options)
            #expect(result.status == 0)
            #expect(result.output == expected)
        }
        let json = try hostProgram([Svcctl.path(), "apply", files.directory, "-o", "json"] + options)
        #expect(try json == hostProgram([Svcctl.path()] + Self.arguments + ["-o", "json"]))
    }

    private static func reversed(_ object: [String: Any]) -> [String: Any] {
        var object = object
        for key in ["endpoints", "ports"] {
            if let list = object[key] as? [Any] { object[key] = Array(list.reversed()) }
        }
        if let spec = object["spec"] as? [String: Any] { object["spec"] = reversed(spec) }
        return object
    }

    /// The longest names there can be still fit where the rules have them.
    @Test func longestNames() throws {
        let label = String(repeating: "n", count: 63)
        let text = """
            {"services": [{"name": "\(label)/\(label)", "clusterIPs": ["10.96.0.10"],
              "ports": [{"name": "\(label)", "port": 80, "nodePort": 30080}], "endpoints": [{"address": "10.244.1.2"}]}]}
            """
        let files = try Files(["long.json": text])
        let loaded = try NetworkNamespace("loaded")
        try loaded.nft(try loaded.svcctl("apply", "--dry-run", files["long.json"]).output)
        #expect(try loaded.svcctl("diff", files["long.json"]) == ProgramResult(status: 0, output: "", errors: ""))
        #expect(try StatusReport(of: loaded).lines(of: "\(label)/\(label)").count == 2)
    }
}
