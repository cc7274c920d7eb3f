internal import ArgumentParser

/// Measures the parts of the way from definitions to kernel, in one process, so that ratios between them hold on a
/// noisy machine. It prints a line `NAME MICROSECONDS` for each run of each part, or `NAME COUNT`; `hack/bench` makes
/// tables of them.
///
/// It changes the ruleset of the network namespace that it runs in: run it in one of its own.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "svcctl-bench", abstract: "Measures the parts of svcctl; see hack/bench.",
        subcommands: [
            ApplyBench.self, ChangeBench.self, ConntrackBench.self, DryRunBench.self, EndpointBench.self,
            EtcdBench.self, IPTablesApplyBench.self, IPTablesEndpointBench.self, IPVSApplyBench.self, IPVSBench.self,
            IPVSEndpointBench.self, IPVSPartsBench.self, LookupBench.self,
        ] + optional)

    /// Those that take a package trait.
    private static var optional: [any ParsableCommand.Type] {
        #if IPSet
            [IPSetBench.self]
        #else
            []
        #endif
    }
}
