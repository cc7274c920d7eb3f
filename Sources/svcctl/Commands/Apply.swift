internal import ArgumentParser
internal import Dataplane
internal import NFTables
internal import NFTablesBackend
internal import ServicePlan

struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the kernel match the definitions once.",
        discussion: """
            All changes are made in one transaction, or none. What matches already is not touched: a second run sends \
            nothing. Services that the kernel has and the definitions lack are removed.
            """)

    @OptionGroup var definitions: DefinitionArguments
    @Flag(help: "Print the rules that an empty node would get, for nft -f, and touch nothing.")
    var dryRun = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var backend: BackendOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        do {
            let plans = try definitions.load().plans(node.layout.node, output.logger)
            if dryRun { printRules(plans) } else { try apply(plans) }
        } catch {
            throw fail(error)
        }
    }

    private func printRules(_ plans: ServicePlans) {
        var builder = RulesetBuilder(options: node.layout)
        for service in plans.services { builder.add(service) }
        let ruleset = builder.finished()
        var text: [UInt8] = []
        switch output.output {
        case .text: ruleset.writeScript(to: &text)
        case .json: ruleset.writeJSON(to: &text)
        }
        printBytes(text)
    }

    private func apply(_ plans: ServicePlans) throws {
        var reconciliation = Reconciliation(NFTablesBackend(options: node.layout), plans: plans)
        try reconciliation.observe()
        var changes = try reconciliation.apply()
        // An earlier run may have been stopped before it came to this.
        changes.udp.areUnknown = true
        // The rules come first: until they are in place, a flow that is ended would begin again where it was.
        let ended = try FlowCleanup.run(after: changes.udp, plans)
        switch output.output {
        case .text: printBytes(Array((Self.line(changes, ended, plans) + "\n").utf8))
        case .json:
            printJSON([
                "backend": .string(NFTablesBackend.name), "services": .number(plans.services.count),
                "frontends": .number(plans.frontendCount), "added": .number(changes.added),
                "changed": .number(changes.changed), "removed": .number(changes.removed),
                "endedFlows": .number(ended),
            ])
        }
    }

    private static func line(_ changes: ChangeSummary, _ ended: Int, _ plans: ServicePlans) -> String {
        let endedPart = ended > 0 ? "; \(plural(ended, "UDP flow")) to endpoints that are gone ended" : ""
        guard !changes.isEmpty else { return "nothing to change: \(plans.summary)\(endedPart)" }
        return "\(NFTablesBackend.name): \(plans.summary); "
            + "\(plural(changes.added, "object")) added, \(changes.changed) changed, \(changes.removed) removed"
            + endedPart
    }
}
