import DataplaneTestKit
import Foundation
import Glibc
import Testing

/// What goes wrong between svcctl and the kernel, and that nothing is changed then.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct FailureTests {
    /// Every finding stands on standard error with its place, and the kernel keeps what it had.
    @Test(arguments: ["apply", "diff", "apply --dry-run"])
    func invalidDefinitions(command: String) throws {
        let namespace = try NetworkNamespace("invalid")
        #expect(try namespace.svcctl("apply", "-", input: Sample.dns).status == 0)
        let (generation, ruleset) = (try namespace.generation(), try namespace.ruleset())
        let files = try Files([
            "a.json": Sample.web, "b.json": "{\"services\": [\n  {\"name\": \"Web\"},\n  {\"nam\": 1}\n]}",
            "c.yaml": "services:\n- name: [\n",
        ])
        let result = try namespace.svcctl(command.split(separator: " ").map(String.init) + [files.directory])
        #expect(result.status == 65)
        #expect(result.output.isEmpty)
        for place in [
            "b.json:2:12: error: services[0].name: ", "b.json:3:4: error: services[1].nam: ", "c.yaml:3:1: error: ",
        ] {
            #expect(result.errors.contains(files[place]))
        }
        #expect(result.errors.hasSuffix("errors in the definitions; nothing was changed\n"))
        #expect(try namespace.generation() == generation)
        #expect(try namespace.ruleset() == ruleset)
    }

    /// What the backend cannot do is refused as well.
    @Test func unavailableScheduler() throws {
        let namespace = try NetworkNamespace("scheduler")
        let text = Sample.document(Sample.service("shop/web", address: "10.96.0.10", #", "scheduler": "wlc""#))
        for command in [["apply"], ["diff"], ["apply", "--dry-run"]] {
            let result = try namespace.svcctl(command + ["-"], input: text)
            #expect(result.status == 65)
            #expect(result.output.isEmpty)
            #expect(result.errors.contains("shop/web"))
            #expect(result.errors.contains("wlc"))
        }
        #expect(try namespace.ruleset().isEmpty)
    }

    @Test(arguments: ["ip", "ip6"])
    func foreignTable(family: String) throws {
        let namespace = try NetworkNamespace("foreign")
        try namespace.nft("table \(family) svcctl {\n chain mine {\n }\n}\n")
        let (generation, ruleset) = (try namespace.generation(), try namespace.ruleset())
        for command in ["apply", "diff"] {
            let result = try namespace.svcctl(command, "-", input: Sample.web)
            #expect(result.status == 74)
            #expect(result.output.isEmpty)
            #expect(result.errors.hasPrefix("svcctl: the table \(family) svcctl is there, but was not made by svcctl"))
            #expect(result.errors.contains("`nft delete table \(family) svcctl`"))
        }
        #expect(try namespace.svcctl("status").output == "svcctl has no rules in this kernel\n")
        #expect(try namespace.svcctl("cleanup").output == "nothing to remove\n")
        #expect(try namespace.generation() == generation)
        #expect(try namespace.ruleset() == ruleset)
    }

    @Test(arguments: ["apply -", "diff -", "status", "status -o json", "cleanup", "cleanup -o json"])
    func noPrivilege(command: String) throws {
        let namespace = try NetworkNamespace("unprivileged")
        #expect(try namespace.svcctl("apply", "-", input: Sample.dns).status == 0)
        let generation = try namespace.generation()
        let arguments = command.split(separator: " ").map(String.init)
        let result = try namespace.svcctlWithoutPrivilege(arguments, input: Sample.web)
        #expect(result.status == 77)
        #expect(result.output.isEmpty)
        #expect(
            result.errors == "svcctl: the kernel's rules can only be read and changed by root (CAP_NET_ADMIN); "
                + "--dry-run shows them without\n")
        #expect(try namespace.generation() == generation)
    }

    /// The definitions are checked before the kernel is asked for anything.
    @Test func definitionsComeFirst() throws {
        let namespace = try NetworkNamespace("first")
        let result = try namespace.svcctlWithoutPrivilege(["apply", "-"], input: "{")
        #expect(result.status == 65)
        #expect(result.errors.hasPrefix("-:1:2: error: "))
    }

    @Test func checkNeedsNoPrivilege() throws {
        let namespace = try NetworkNamespace("check")
        let result = try namespace.svcctlWithoutPrivilege(["check", "-"], input: Sample.web)
        #expect(result == ProgramResult(status: 0, output: "valid: 1 service, 3 endpoints, 0 skipped\n", errors: ""))
        #expect(try namespace.svcctlWithoutPrivilege(["check", "-"], input: "{").status == 65)
    }

    @Test func inputsOfOthers() throws {
        let namespace = try NetworkNamespace("secret")
        let files = try Files(["secret.json": Sample.web])
        #expect(chmod(files["secret.json"], 0) == 0)
        let result = try namespace.svcctlWithoutPrivilege(["check", files["secret.json"]])
        let message = "svcctl: \(files["secret.json"]): Permission denied\n"
        #expect(result == ProgramResult(status: 66, output: "", errors: message))
    }

    @Test func standardInputTwice() throws {
        let namespace = try NetworkNamespace("twice")
        let result = try namespace.svcctl("apply", "-", "-", input: Sample.web)
        let message = "svcctl: -: standard input can be read only once\n"
        #expect(result == ProgramResult(status: 66, output: "", errors: message))
        #expect(try namespace.ruleset().isEmpty)
    }

    /// A kernel without nf_tables answers the opening of the socket with this errno.
    @Test func kernelWithoutNetfilter() throws {
        let namespace = try NetworkNamespace("bare")
        for arguments in [["apply", Svcctl.cluster], ["diff", Svcctl.cluster], ["status"], ["cleanup"]] {
            let result = try namespace.svcctlWithoutNetlink(
                arguments + ["--log-level", "error"], errno: EPROTONOSUPPORT)
            #expect(result.status == 69)
            #expect(result.output.isEmpty)
            #expect(result.errors.contains("EPROTONOSUPPORT"))
        }
    }

    /// Results go to standard output, everything else to standard error, however much there is to say.
    @Test func warningsStayOutOfTheData() throws {
        let namespace = try NetworkNamespace("streams")
        let clash = Sample.empty + "\n---\n" + Sample.empty.replacing("name: empty", with: "name: copy")
        let result = try namespace.svcctl("apply", "-o", "json", "-", input: clash)
        #expect(result.status == 0)
        #expect(try JSONText.object(result.output)["services"] as? Int == 2)
        #expect(result.errors.contains(": warning: "))
        #expect(result.errors.contains("10.96.0.99"))
        #expect(
            try JSONText.object(namespace.svcctl("diff", "-o", "json", "-", input: clash).output)["differences"] != nil)
        let script = try namespace.svcctl("apply", "--dry-run", "-", input: clash)
        #expect(!script.output.contains("warning"))
        #expect(script.errors.contains(": warning: "))
    }
}
