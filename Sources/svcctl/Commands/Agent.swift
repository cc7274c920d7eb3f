internal import Agent
internal import AgentRuntime
internal import ArgumentParser
internal import Glibc
internal import ServiceModel
internal import ServicePlan

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Run on the node: watch the sources and keep the kernel as they want it, until SIGTERM.",
        discussion: """
            The rules stay when the agent ends, however it ends, and a restart disturbs no connection. SIGHUP reads the \
            configuration again. Options may stand in a YAML file too, under the same names in camel case; a flag beats \
            the file.
            """)

    @OptionGroup var flags: AgentFlags

    func run() async throws {
        var defaults = AgentSettings()
        defaults.node.nodeName = NodeOptions.hostName
        let configuration = AgentConfiguration(file: flags.config, flags: flags.given)
        do {
            try await NodeAgent(
                version: Svcctl.configuration.version, configuration: configuration, defaults: defaults
            ).run()
        } catch let error as InvalidDefinitions {
            for finding in error.findings { printError(finding.description) }
            printError("svcctl: \(counted(error.findings.count, "error")) in the configuration")
            throw error.isAboutTheCommandLine ? ExitCode.usage : ExitCode.invalidDefinitions
        } catch let error as WrongSource where !flags.source.isEmpty {
            printError("svcctl: \(error)")
            throw ExitCode.usage
        } catch let error as CannotStart {
            printError("svcctl: \(error)")
            throw ExitCode.temporaryFailure
        } catch {
            throw fail(error)
        }
    }
}

extension InvalidDefinitions {
    /// Whether no file is to blame.
    fileprivate var isAboutTheCommandLine: Bool {
        inputs.allSatisfy { $0.hasPrefix("--") || $0 == AgentConfiguration.commandLine }
    }
}

/// The agent's flags as they are written. ``AgentOption`` says what they may be; the file's values go the same way.
struct AgentFlags: ParsableArguments {
    @Option(help: ArgumentHelp("A YAML file with these options.", valueName: "file"))
    var config: String?

    @Option(
        help: ArgumentHelp(
            """
            Where definitions come from; may be repeated, and the first that defines a service wins. file:PATH (a file or \
            a directory), etcd:http[s]://HOST:PORT[,HOST:PORT…][/PREFIX].
            """, valueName: "source"))
    var source: [String] = []

    @Option(help: ArgumentHelp("What programs the kernel (default: nftables).", valueName: "name"))
    var backend: String?
    @Option(help: ArgumentHelp("The node's name, as endpoints have it (default: the host name).", valueName: "name"))
    var nodeName: String?
    @Option(
        help: ArgumentHelp(
            "The node's zone. Default: what its Node object says, if a source has one.", valueName: "zone"))
    var zone: String?
    @Option(help: ArgumentHelp("The addresses of pods.", valueName: "cidr[,cidr]"))
    var clusterCidr: [String] = []
    @Option(help: ArgumentHelp("The blocks of cluster IPs.", valueName: "cidr[,cidr]"))
    var serviceCidr: [String] = []
    @Option(help: ArgumentHelp("The bridges that the node's pods hang on.", valueName: "name[,name]"))
    var podBridgeInterface: [String] = []
    @Option(help: ArgumentHelp("What the names of pods' interfaces begin with.", valueName: "prefix[,prefix]"))
    var podInterfaceNamePrefix: [String] = []
    @Option(help: ArgumentHelp("The node's own addresses (default: those it has).", valueName: "addr[,addr]"))
    var nodeAddress: [String] = []
    @Flag(inversion: .prefixedNo, help: "Masquerade all connections to cluster IPs.")
    var masqueradeAll: Bool?
    @Option(
        help: ArgumentHelp(
            "Blocks whose addresses serve node ports (default: all of the node's addresses but loopback).",
            valueName: "cidr[,cidr]"))
    var nodeportAddresses: [String] = []
    @Option(help: ArgumentHelp("The bit of the packet mark that says 'masquerade' (default: 14).", valueName: "0-31"))
    var masqueradeBit: String?

    @Option(help: ArgumentHelp("Who we are to etcd.", valueName: "name"))
    var etcdUser: String?
    @Option(help: ArgumentHelp("A file that holds the password and nothing else.", valueName: "file"))
    var etcdPasswordFile: String?
    @Option(help: ArgumentHelp("The certificates that etcd's is checked against (PEM).", valueName: "file"))
    var etcdCa: String?
    @Option(help: ArgumentHelp("Our certificate for etcd (PEM).", valueName: "file"))
    var etcdCert: String?
    @Option(help: ArgumentHelp("Its key (PEM).", valueName: "file"))
    var etcdKey: String?

    @Option(help: ArgumentHelp("Changes within it become one (default: 10ms).", valueName: "duration"))
    var minSyncPeriod: String?
    @Option(
        help: ArgumentHelp("How often everything is compared with the kernel (default: 1h).", valueName: "duration"))
    var resyncPeriod: String?
    @Flag(inversion: .prefixedNo, help: "Own the tables, so that nobody else can change them (Linux 6.9).")
    var protect: Bool?
    @Flag(inversion: .prefixedNo, help: "Set the kernel's settings that are needed, instead of only saying so.")
    var setSysctls: Bool?
    @Flag(inversion: .prefixedNo, help: "Remove everything from the kernel on SIGTERM.")
    var cleanupOnExit: Bool?
    @Option(help: ArgumentHelp("Where /metrics is served (default: 127.0.0.1:10249).", valueName: "addr:port"))
    var metricsAddress: String?
    @Option(
        help: ArgumentHelp(
            "Where /healthz, /livez and /readyz are served (default: 0.0.0.0:10256).", valueName: "addr:port"))
    var healthAddress: String?
    @Option(
        help: ArgumentHelp(
            "Where the agent answers svcctl status and svcctl events (default: /run/svcctl/agent.sock).",
            valueName: "path"))
    var socket: String?
    @Option(help: ArgumentHelp("How much to say on standard error (default: info).", valueName: "level"))
    var logLevel: String?

    /// The flags that were given, with their values.
    var given: [(option: AgentOption, values: [String])] {
        let texts: [(AgentOption, String?)] = [
            (.backend, backend), (.nodeName, nodeName), (.zone, zone),
            (.masqueradeAll, masqueradeAll.map { "\($0)" }), (.masqueradeBit, masqueradeBit),
            (.etcdUser, etcdUser), (.etcdPasswordFile, etcdPasswordFile), (.etcdCa, etcdCa), (.etcdCert, etcdCert),
            (.etcdKey, etcdKey), (.minSyncPeriod, minSyncPeriod), (.resyncPeriod, resyncPeriod),
            (.protect, protect.map { "\($0)" }), (.setSysctls, setSysctls.map { "\($0)" }),
            (.cleanupOnExit, cleanupOnExit.map { "\($0)" }), (.metricsAddress, metricsAddress),
            (.healthAddress, healthAddress), (.socket, socket), (.logLevel, logLevel),
        ]
        let lists: [(AgentOption, [String])] = [
            (.source, source), (.clusterCidr, clusterCidr), (.serviceCidr, serviceCidr),
            (.podBridgeInterface, podBridgeInterface), (.podInterfaceNamePrefix, podInterfaceNamePrefix),
            (.nodeAddress, nodeAddress), (.nodeportAddresses, nodeportAddresses),
        ]
        return lists.filter { !$0.1.isEmpty }.map { (option: $0.0, values: $0.1) }
            + texts.compactMap { option, text in text.map { (option, [$0]) } }
    }
}
