internal import ArgumentParser
internal import Backends
internal import Dataplane
internal import Logging
internal import NFTables
internal import ServicePlan

struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what apply would change in the kernel now, object by object.",
        discussion: """
            Lines with + would be added, lines with - removed, what other backends have in the kernel among them. Exit \
            code 0: no difference; 1: differences.
            """)

    @OptionGroup var definitions: DefinitionArguments
    @OptionGroup var node: NodeOptions
    @OptionGroup var backend: BackendOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let lines: [DifferenceLine]
        do {
            let layout = try backend.backend.completed(node.layout)
            let plans = try DefinitionArguments.load(definitions.files, backend.backend, layout.node, output)
                .plans(layout.node, output.logger)
            lines = try backend.backend.differences(plans, layout) + leftovers()
            backend.backend.warnOfOthers(output.logger)
        } catch {
            throw fail(error)
        }
        switch output.output {
        case .text:
            let text = lines.map { "\($0.change == .add ? "+" : "-") \($0.object)\n" }.joined()
            printBytes(Array(text.utf8))
        case .json:
            let differences = lines.map { line -> JSON in
                ["change": .string(line.change.rawValue), "object": .string(line.object)]
            }
            printJSON(["backend": .string(backend.backend.rawValue), "differences": .array(differences)])
        }
        if !lines.isEmpty { throw ExitCode.differences }
    }

    /// What apply removes of other backends'. What cannot be read keeps it from nothing.
    private func leftovers() -> [DifferenceLine] {
        backend.backend.others.flatMap { other in
            do {
                return try other.leftovers()
            } catch {
                output.logger.warning("what --backend \(other.rawValue) has in the kernel cannot be told: \(error)")
                return []
            }
        }
    }
}
