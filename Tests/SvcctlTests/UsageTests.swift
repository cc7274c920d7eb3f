import DataplaneTestKit
import Testing

/// What needs no kernel at all: help, mistakes on the command line, and inputs that cannot be read.
struct UsageTests {
    static let nodeOptions = [
        "--node-name", "--zone", "--cluster-cidr", "--masquerade-all", "--nodeport-addresses", "--masquerade-bit",
    ]

    @Test(arguments: [
        ([], ["apply", "diff", "check", "status", "trace", "cleanup", "--version"]),
        (["apply"], ["--dry-run", "--backend", "-o, --output", "--log-level"] + nodeOptions),
        (["diff"], ["--backend", "-o, --output", "--log-level"] + nodeOptions),
        (["check"], ["--backend", "-o, --output", "--log-level"] + nodeOptions),
        (["status"], ["--backend", "-o, --output", "--log-level"]),
        (["cleanup"], ["-o, --output", "--log-level"]),
        (["trace"], ["--from", "--to", "--via", "--node-address", "--verbose", "-o, --output"] + nodeOptions),
    ])
    func helpNamesTheOptions(command: [String], options: [String]) throws {
        let result = try hostProgram([Svcctl.path()] + command + ["--help"])
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        for option in options { #expect(result.output.contains(option)) }
    }

    @Test func helpListsTheExitCodes() throws {
        let help = try Svcctl.run("--help").output
        for code in ["0 done", "64", "65", "66", "69", "74", "77"] { #expect(help.contains(code)) }
    }

    /// Each is refused before any file is read, with the usage of the command it was meant for.
    @Test(arguments: [
        (["frobnicate"], "frobnicate"),
        (["aply", "x.json"], "Did you mean 'apply'?"),
        (["apply", "x.json", "--node-name", ""], "--node-name"),
        (["apply"], "FILE"),
        (["diff"], "FILE"),
        (["check"], "FILE"),
        (["apply", "x.json", "--colour"], "--colour"),
        (["status", "x.json"], "x.json"),
        (["cleanup", "x.json"], "x.json"),
        (["apply", "x.json", "--cluster-cidr", "10.0.0.0/33"], "10.0.0.0/33"),
        (["apply", "x.json", "--cluster-cidr", "10.0.0.0/8,"], "10.0.0.0/8,"),
        (["apply", "x.json", "--nodeport-addresses", "eth0"], "eth0"),
        (["diff", "x.json", "--cluster-cidr", "fd00::/129"], "fd00::/129"),
        (["apply", "x.json", "--masquerade-bit", "32"], "0 to 31"),
        (["apply", "x.json", "--masquerade-bit=-1"], "0 to 31"),
        (["apply", "x.json", "--masquerade-bit", "many"], "many"),
        (["apply", "x.json", "--backend", "pf"], "pf"),
        (["status", "--backend", "pf"], "pf"),
        (["status", "--output", "xml"], "xml"),
        (["check", "x.json", "--log-level", "loud"], "loud"),
    ])
    func usageErrors(arguments: [String], named: String) throws {
        let result = try hostProgram([Svcctl.path()] + arguments)
        #expect(result.status == 64)
        #expect(result.output.isEmpty)
        #expect(result.errors.hasPrefix("Error: "))
        #expect(result.errors.contains(named))
        #expect(result.errors.contains("Usage: svcctl"))
    }

    /// A list may be split over several options of a name; none of them takes the place of another.
    @Test func repeatedLists() throws {
        let files = try Files(["web.json": Sample.web])
        let texts = try [
            ["--cluster-cidr", "10.244.0.0/16,fd00:244::/32", "--nodeport-addresses", "192.0.2.0/24,2001:db8::/64"],
            [
                "--cluster-cidr", "10.244.0.0/16", "--nodeport-addresses", "192.0.2.0/24", "--cluster-cidr",
                "fd00:244::/32", "--nodeport-addresses", "2001:db8::/64",
            ],
        ].map { options in
            try hostProgram([Svcctl.path(), "apply", "--dry-run", files["web.json"]] + options).output
        }
        #expect(texts[0] == texts[1])
        #expect(texts[0].contains("10.244.0.0/16") && texts[0].contains("fd00:244::/32"))
    }

    /// What flags of the agent have wrong is a mistake in usage; what a file has is not.
    @Test(arguments: [
        (["--resync-period", "5"], 64), (["--source", "file:/a", "--log-level", "loud"], 64), ([], 64),
        (["--source", "etcd:http://127.0.0.1:99999"], 64),
        (["--config", "agent.yaml"], 65), (["--config", "empty.yaml"], 65), (["--config", "."], 66),
    ])
    func agentConfiguration(flags: [String], status: Int) throws {
        let files = try Files(["agent.yaml": "source: file:/a\nzone: [a, b]\n", "empty.yaml": "# nothing\n"])
        let arguments = flags.map { $0.hasSuffix(".yaml") || $0 == "." ? "\(files.directory)/\($0)" : $0 }
        let result = try hostProgram([Svcctl.path(), "agent"] + arguments)
        #expect(result.status == status)
        #expect(result.output.isEmpty && !result.errors.isEmpty)
    }

    /// Everything that cannot be read is named at once.
    @Test(arguments: ["apply", "diff", "check"])
    func unreadableInputs(command: String) throws {
        let files = try Files(["good.json": Sample.web])
        let result = try Svcctl.run(
            command, files["missing.json"], files["good.json"], files["gone.yaml"], "/dev/null/x")
        #expect(result.status == 66)
        #expect(result.output.isEmpty)
        let lines = result.errors.split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "svcctl: \(files["missing.json"]): No such file or directory",
                "svcctl: \(files["gone.yaml"]): No such file or directory",
                "svcctl: /dev/null/x: Not a directory",
            ])
    }

    @Test func directoryWithoutDefinitions() throws {
        let files = try Files(["notes.txt": "services", ".hidden.json": "{"])
        let result = try Svcctl.run("check", files.directory)
        #expect(result.status == 66)
        #expect(result.errors.contains("\(files.directory): the directory holds no *.json, *.yaml or *.yml file"))
    }

    /// Rules that did not reach the file must not look as if they had.
    @Test(arguments: ["apply --dry-run", "apply --dry-run -o json", "check", "check -o json"])
    func fullDisk(command: String) throws {
        let files = try Files(["web.json": Sample.web])
        let line = "exec '\(try Svcctl.path())' \(command) '\(files["web.json"])' > /dev/full"
        let result = try hostProgram(["sh", "-c", line])
        #expect(result.status == 74)
        #expect(result.errors == "svcctl: standard output: No space left on device\n")
    }
}
