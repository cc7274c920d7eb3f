internal import Agent
internal import ArgumentParser
internal import Dataplane
internal import NFTables
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Validate definitions and print every finding with its place.",
        discussion: """
            Needs no privilege and touches no kernel, unless --node asks for it. Exit code 65 if there are errors; \
            warnings alone are 0.
            """)

    @OptionGroup var definitions: DefinitionArguments
    @Flag(
        help: ArgumentHelp(
            """
            Also warn of what this node's kernel has that may keep connections from services: policies and rules of \
            others that drop or take them. Needs root.
            """))
    var node = false
    @OptionGroup var facts: NodeOptions
    @OptionGroup var backend: BackendOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        var findings: [Finding] = []
        var valid: Definitions?
        // What is not said of the node is no reason to warn: definitions are checked for any node.
        var facts = facts.layout.node
        facts.addresses = facts.addresses ?? []
        do {
            let inputs = try DefinitionFiles.read(definitions.files)
            let decoded = try Definitions(decoding: inputs, mostFindings: DefinitionArguments.mostFindings) {
                backend.backend.remarks(on: $0, facts)
            }
            findings = decoded.warnings
            valid = decoded
            if node { findings += try backend.backend.obstacles().map(Self.finding) }
        } catch let error as InvalidDefinitions {
            findings = error.findings
        } catch {
            throw fail(error)
        }
        switch output.output {
        case .text: printText(findings, valid)
        case .json: printJSON(Self.json(findings, valid))
        }
        if valid == nil { throw ExitCode.invalidDefinitions }
    }

    private static func finding(_ obstacle: String) -> Finding {
        Finding(severity: .warning, place: Place(input: "this node"), message: obstacle)
    }

    private func printText(_ findings: [Finding], _ valid: Definitions?) {
        var text = findings.map { "\($0)\n" }.joined()
        if let valid {
            for skipped in valid.skipped { text += "\(skipped.name): skipped: \(skipped.reason.rawValue)\n" }
            let endpoints = valid.services.reduce(0) { $0 + $1.endpoints.count }
            text += "valid: \(counted(valid.services.count, "service")), \(counted(endpoints, "endpoint")), "
            text += "\(valid.skipped.count) skipped\n"
        }
        printBytes(Array(text.utf8))
    }

    private static func json(_ findings: [Finding], _ valid: Definitions?) -> JSON {
        [
            "valid": .bool(valid != nil),
            "services": .number(valid?.services.count ?? 0),
            "skipped": .array(
                (valid?.skipped ?? []).map { skipped -> JSON in
                    ["service": .string(skipped.name.description), "reason": .string(skipped.reason.rawValue)]
                }),
            "findings": .array(
                findings.map { finding -> JSON in
                    [
                        "severity": .string(finding.severity.rawValue), "input": .string(finding.place.input),
                        "line": .number(finding.place.line), "column": .number(finding.place.column),
                        "path": .string(finding.place.path), "message": .string(finding.message),
                    ]
                }),
        ]
    }
}
