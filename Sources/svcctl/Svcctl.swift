internal import ArgumentParser
internal import Glibc

/// The command line: arguments in, text and an exit code out. Everything else is in the modules below.
@main
struct Svcctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "svcctl",
        abstract: "Turns service definitions into kernel load balancing: nftables or iptables, by netlink.",
        discussion: """
            Exit codes: 0 done; diff: 0 no difference, 1 differences; 64 usage; 65 invalid definitions (nothing was \
            changed); 66 an input that cannot be read, nothing to trace, no such service in etcd; 69 the kernel lacks \
            something, or etcd does not answer; 74 the kernel or etcd refused; 75 another agent runs; 76 what answers is \
            not etcd; 77 not permitted.
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
        await main(nil)
    }
}
