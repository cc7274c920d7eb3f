import DataplaneTestKit
import Foundation
import Testing

/// `svcctl check`: the findings are its data, so they go to standard output.
struct CheckTests {
    @Test func goodDefinitions() throws {
        let files = try Files(["a.json": Sample.web, "b.yaml": Sample.dns])
        let result = try Svcctl.run("check", files["a.json"], files["b.yaml"])
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        #expect(result.output == "valid: 2 services, 4 endpoints, 0 skipped\n")
    }

    @Test func clusterDefinitions() throws {
        let result = try Svcctl.run("check", Svcctl.cluster)
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        #expect(
            result.output == """
                \(Svcctl.cluster):78:9: warning: items[1]: edge/ingress: the health-check node port is answered by svcctl agent alone: after apply, a load balancer finds no healthy node
                shop/db: skipped: headless: it has no cluster IP
                shop/legacy: skipped: ExternalName: it is a DNS alias
                shop/meshed: skipped: another proxy serves it: label service.kubernetes.io/service-proxy-name
                valid: 9 services, 16 endpoints, 3 skipped

                """)
    }

    /// The examples of the repository, all together.
    @Test func examples() throws {
        let examples = URL(fileURLWithPath: Svcctl.cluster).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("deploy/examples").path
        let result = try Svcctl.run("check", examples)
        #expect(result.status == 0)
        #expect(result.output.contains("valid: 10 services"))
        let dryRun = try Svcctl.run("apply", "--dry-run", examples)
        #expect(dryRun.status == 0)
        guard TestPrivilege.canMakeNamespaces else { return }
        try NetworkNamespace("examples").nft(dryRun.output)
    }

    /// What the backend would refuse is said here already, with its place, and beside all else that is wrong.
    @Test(arguments: [["check"], ["diff"], ["apply", "--dry-run"]])
    func whatTheBackendDoesNotDo(command: [String]) throws {
        let scheduled = Sample.document(Sample.service("shop/web", ", \"scheduler\": \"wlc\""))
        let files = try Files(["scheduled.json": scheduled, "wrong.yaml": "services:\n- nam: x\n"])
        let result = try hostProgram(
            [Svcctl.path()] + command + [files["scheduled.json"], files["wrong.yaml"]])
        #expect(result.status == 65)
        let lines = (result.output + result.errors).split(separator: "\n")
        #expect(
            lines.contains { line in
                line.hasPrefix("\(files["scheduled.json"]):1:15: error: services[0]: shop/web: scheduler wlc ")
            }, "\(lines)")
        #expect(lines.contains { $0.hasPrefix("\(files["wrong.yaml"]):2:3: error: ") })
    }

    /// What is said of the node counts, and what is not said is no reason to warn.
    @Test func nodeOptions() throws {
        let files = try Files(["web.json": Sample.web])
        let arguments = ["check", files["web.json"], "--backend", "ipvs", "--node-name", "node-a", "--zone", "z1"]
        let any = try hostProgram([Svcctl.path()] + arguments)
        #expect(any.status == 0 && any.output == "valid: 1 service, 3 endpoints, 0 skipped\n", "\(any)")
        let one = try hostProgram([Svcctl.path()] + arguments + ["--node-address", "10.96.0.10"])
        #expect(one.status == 65 && one.output.contains("10.96.0.10 is an address of the node itself"), "\(one)")
    }

    /// However many there are, a command prints all findings.
    @Test func manyFindings() throws {
        let services = (0..<150).map { "{\"name\": \"s\($0)\", \"clusterIPs\": [\"x\"], \"ports\": [{\"port\": 0}]}" }
        let files = try Files(["many.json": Sample.document(services.joined(separator: ",\n"))])
        for command in [["check"], ["apply", "--dry-run"]] {
            let result = try hostProgram([Svcctl.path()] + command + [files["many.json"]])
            let said = (result.output + result.errors).split(separator: "\n").filter { $0.contains(": error: ") }
            #expect(result.status == 65 && said.count == 300, "\(said.count)")
        }
    }

    /// Warnings are what --log-level takes them for.
    @Test(arguments: ["warning", "error"]) func logLevel(_ level: String) throws {
        let other = Sample.empty.replacing("name: empty", with: "name: copy")
        let files = try Files(["a.yaml": Sample.empty + "\n---\n" + other])
        let result = try Svcctl.run("apply", "--dry-run", files["a.yaml"], "--log-level", level)
        #expect(result.status == 0)
        #expect(result.errors.contains(": warning: ") == (level == "warning"))
    }

    @Test func badDefinitions() throws {
        let files = try Files(["bad.json": "{\"services\": [\n  {\"name\": \"Web\"},\n  {\"nam\": 1}\n]}"])
        let path = files["bad.json"]
        let result = try Svcctl.run("check", path)
        #expect(result.status == 65)
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("\(path):2:12: error: services[0].name: ") })
        #expect(lines.contains { $0.hasPrefix("\(path):3:4: error: services[1].nam: unknown field") })
        #expect(!result.output.contains("valid:"))
    }

    /// Files of a directory are named like those that were typed, with one slash.
    @Test(arguments: ["", "/"])
    func directory(ending: String) throws {
        let files = try Files(["bad.json": "{", "good.json": Sample.web])
        let result = try Svcctl.run("check", files.directory + ending)
        #expect(result.status == 65)
        #expect(result.output.hasPrefix("\(files["bad.json"]):1:2: error: "))
    }

    /// Two Kubernetes services may claim one address; that is said, and is not an error.
    @Test func warningsAreNoErrors() throws {
        let other = Sample.empty.replacing("name: empty", with: "name: copy")
        let files = try Files(["a.yaml": Sample.empty + "\n---\n" + other])
        let result = try Svcctl.run("check", files["a.yaml"])
        #expect(result.status == 0)
        #expect(result.output.contains(": warning: "))
        #expect(result.output.hasSuffix("valid: 2 services, 0 endpoints, 0 skipped\n"))
    }

    @Test(arguments: [true, false])
    func json(isValid: Bool) throws {
        let files = try Files(["a.yaml": isValid ? Sample.empty : "services:\n- nam: x\n"])
        let result = try Svcctl.run("check", "--output", "json", files["a.yaml"])
        #expect(result.status == (isValid ? 0 : 65))
        let report = try JSONText.object(result.output)
        #expect(Set(report.keys) == ["valid", "services", "skipped", "findings"])
        #expect(report["valid"] as? Bool == isValid)
        #expect(report["services"] as? Int == (isValid ? 1 : 0))
        let findings = try #require(report["findings"] as? [[String: Any]])
        #expect(findings.isEmpty == isValid)
        for finding in findings {
            #expect(Set(finding.keys) == ["severity", "input", "line", "column", "path", "message"])
            #expect(finding["severity"] as? String == "error")
            #expect(finding["input"] as? String == files["a.yaml"])
            #expect(finding["line"] as? Int == 2)
        }
    }

    @Test func jsonNamesWhatIsSkipped() throws {
        let report = try JSONText.object(try Svcctl.run("check", "-o", "json", Svcctl.cluster).output)
        let skipped = try #require(report["skipped"] as? [[String: String]])
        #expect(skipped.compactMap { $0["service"] } == ["shop/db", "shop/legacy", "shop/meshed"])
        #expect(skipped.allSatisfy { $0["reason"] != nil })
    }
}
