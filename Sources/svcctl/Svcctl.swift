internal import ArgumentParser
internal import Glibc
internal import ServiceModel

/// The command line: arguments in, text and an exit code out. Everything else is in the modules below.
@main
struct Svcctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "svcctl",
        abstract: "Turns service definitions into kernel load balancing: nftables, iptables or IPVS, by netlink.",
        discussion: """
            Exit codes: 0 done; diff: 0 no difference, 1 differences; 64 usage; 65 invalid definitions (nothing was \
            changed); 66 an input that cannot be read, nothing to trace, no such service in etcd, no agent to ask; 69 the \
            kernel lacks something, or etcd does not answer; 74 the kernel or etcd refused, or the output could not be \
            written; 75 another agent runs; 76 what answers is not etcd; 77 not permitted.
            """,
        version: "0.1.0",
        subcommands: [
            AgentCommand.self, Apply.self, Diff.self, Check.self, Status.self, Events.self, Trace.self,
            BackendsCommand.self,
            Cleanup.self, Put.self, Get.self, Delete.self, Accept.self, Register.self,
        ])

    static func main() async {
        // Whoever asks an agent to read its configuration before it listens must not end it.
        if CommandLine.arguments.dropFirst().first == "agent" { signal(SIGHUP, SIG_IGN) }
        refuseUnknownCommand()
        await main(nil)
    }

    /// The parser itself finds the nearest name for options alone.
    private static func refuseUnknownCommand() {
        let names = configuration.subcommands.map { $0._commandName } + ["help"]
        guard let first = CommandLine.arguments.dropFirst().first, !first.hasPrefix("-"), !names.contains(first) else {
            return
        }
        let hint = NearestName.suggestion(for: first, among: names).map { " Did you mean '\($0)'?" } ?? ""
        exit(withError: ValidationError("Unknown command '\(first)'.\(hint)"))
    }
}
