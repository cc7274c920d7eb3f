internal import Agent
internal import Backends
internal import ArgumentParser
internal import Dataplane
internal import Logging
internal import NFTables
internal import ServicePlan

struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the kernel match the definitions once.",
        discussion: """
            All changes are made in one transaction, or none; with --backend ipvs, which has no transactions, one after \
            another. What matches already is not touched: a second run sends \
            nothing. Services that the kernel has and the definitions lack are removed.

            With --dry-run, --output json prints what `nft -j list ruleset` would, or, for the other backends, an object \
            with the list "sections": each has the "command" that loads it and its "input".
            """)

    @OptionGroup var definitions: DefinitionArguments
    @Flag(help: "Print the rules that an empty node would get, for the stock tool, and touch nothing.")
    var dryRun = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var backend: BackendOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        do {
            // A dry run gives the same on every machine.
            let layout = dryRun ? node.layout : try backend.backend.completed(node.layout)
            let plans = try DefinitionArguments.load(definitions.files, backend.backend, layout.node, output)
                .plans(layout.node, output.logger)
            if dryRun {
                printBytes(backend.backend.rules(plans, layout, output.output))
            } else {
                try apply(plans, layout)
            }
        } catch {
            throw fail(error)
        }
    }

    private func apply(_ plans: ServicePlans, _ layout: LayoutOptions) throws {
        var changes = try backend.backend.apply(plans, layout)
        // An earlier run may have been stopped before it came to this.
        changes.udp.areUnknown = true
        removeOthers()
        backend.backend.warnOfOthers(output.logger)
        // The rules come first: until they are in place, a flow that is ended would begin again where it was.
        let ended = try FlowCleanup.run(after: changes.udp, plans)
        switch output.output {
        case .text: printBytes(Array((line(changes, ended, plans) + "\n").utf8))
        case .json:
            printJSON([
                "backend": .string(backend.backend.rawValue), "services": .number(plans.services.count),
                "frontends": .number(plans.frontendCount), "added": .number(changes.added),
                "changed": .number(changes.changed), "removed": .number(changes.removed),
                "endedFlows": .number(ended),
            ])
        }
    }

    /// What was made with another backend would go on serving (semantics 63).
    private func removeOthers() {
        for other in BackendName.allCases where other != backend.backend {
            do {
                guard try !other.removeAll().isEmpty else { continue }
                output.logger.notice("the rules of --backend \(other.rawValue) were removed")
            } catch {
                output.logger.warning("the rules of --backend \(other.rawValue) may be there still: \(error)")
            }
        }
    }

    private func line(_ changes: ChangeSummary, _ ended: Int, _ plans: ServicePlans) -> String {
        let endedPart = ended > 0 ? "; \(counted(ended, "UDP flow")) to endpoints that are gone ended" : ""
        guard !changes.isEmpty else { return "nothing to change: \(plans.summary)\(endedPart)" }
        return "\(backend.backend.rawValue): \(plans.summary); "
            + "\(counted(changes.added, "object")) added, \(changes.changed) changed, \(changes.removed) removed"
            + endedPart
    }
}
