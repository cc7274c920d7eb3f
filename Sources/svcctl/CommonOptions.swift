internal import Backends
internal import ArgumentParser
internal import Dataplane
internal import Glibc
internal import Logging
internal import NetAddress
internal import ServicePlan

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// Options of every command.
struct OutputOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "How to print results.")
    var output: OutputFormat = .text

    @Option(help: "How much to say on standard error.")
    var logLevel: LogLevel = .info

    /// A logger to standard error.
    var logger: Logger {
        var logger = Logger(label: "svcctl", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel.level
        return logger
    }
}

/// Options of the commands that work on the kernel.
struct BackendOptions: ParsableArguments {
    @Option(help: "What programs the kernel.")
    var backend: BackendName = .nftables
}

/// Options that say what the node is like. Lists may be split over several options of a name.
struct NodeOptions: ParsableArguments {
    @Option(help: "The node's name, as endpoints have it in nodeName. Default: the host name.")
    var nodeName: String?

    @Option(help: "The node's zone. Default: what its Node object says, if the definitions have one.")
    var zone: String?

    @Option(
        help: ArgumentHelp(
            "The addresses of pods, comma-separated. Connections to a cluster IP from elsewhere are masqueraded.",
            valueName: "cidr[,cidr]"))
    var clusterCidr: [CIDRList] = []

    @Option(
        help: ArgumentHelp(
            "The blocks of cluster IPs, comma-separated. What no service has of them is dropped.",
            valueName: "cidr[,cidr]"))
    var serviceCidr: [CIDRList] = []

    @Option(
        help: ArgumentHelp(
            "The bridges that the node's pods hang on, comma-separated: another way to tell pods' connections.",
            valueName: "name[,name]"))
    var podBridgeInterface: [InterfaceNames] = []

    @Option(
        help: ArgumentHelp(
            "What the names of pods' own interfaces begin with, comma-separated: yet another way.",
            valueName: "prefix[,prefix]"))
    var podInterfaceNamePrefix: [InterfaceNames] = []

    @Option(
        help: ArgumentHelp(
            """
            The node's own addresses, comma-separated: source ranges that hold one of them let the node use the \
            service, and a packet from one of them is a process of the node's. With --backend ipvs, where node ports are \
            (default: those it has; a dry run has to be told).
            """, valueName: "addr[,addr]"))
    var nodeAddress: [AddressList] = []

    @Flag(help: "Masquerade all connections to cluster IPs.")
    var masqueradeAll = false

    @Option(
        help: ArgumentHelp(
            """
            Blocks whose addresses serve node ports, comma-separated. Default: all of the node's addresses but \
            loopback, which no block opens. Blocks of one family open no address of the other.
            """, valueName: "cidr[,cidr]"))
    var nodeportAddresses: [CIDRList] = []

    @Option(help: "The bit of the packet mark that says 'masquerade', 0 to 31.")
    var masqueradeBit = 14

    func validate() throws {
        guard (0...31).contains(masqueradeBit) else {
            throw ValidationError("--masquerade-bit must be 0 to 31, not \(masqueradeBit)")
        }
        for (option, text) in [("--node-name", nodeName), ("--zone", zone)] where text?.isEmpty == true {
            throw ValidationError("\(option) needs a name; leave it out for the default")
        }
    }

    var layout: LayoutOptions {
        var node = NodeFacts(
            nodeName: nodeName ?? Self.hostName, zone: zone, clusterCIDRs: clusterCidr.flatMap(\.blocks),
            masqueradeAll: masqueradeAll,
            nodePortAddresses: nodeportAddresses.isEmpty ? nil : nodeportAddresses.flatMap(\.blocks))
        node.serviceCIDRs = serviceCidr.flatMap(\.blocks)
        node.addresses = addresses
        node.podInterfaces =
            podBridgeInterface.flatMap(\.names).map { .bridge($0) }
            + podInterfaceNamePrefix.flatMap(\.names).map { .prefix($0) }
        return LayoutOptions(node: node, masqueradeBit: masqueradeBit)
    }

    /// The node's own addresses; nil if they are not given.
    var addresses: Set<IPAddress>? {
        nodeAddress.isEmpty ? nil : Set(nodeAddress.flatMap(\.addresses))
    }

    /// The host name in lower case, as kubelet names its node.
    static var hostName: String? {
        var name = utsname()
        guard uname(&name) == 0 else { return nil }
        return withUnsafeBytes(of: name.nodename) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self).lowercased()
        }
    }
}

/// `CIDR,CIDR…` on the command line.
struct CIDRList: ExpressibleByArgument {
    let blocks: [CIDR]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        let blocks = parts.compactMap { CIDR($0) }
        guard blocks.count == parts.count else { return nil }
        self.blocks = blocks
    }
}

/// `ADDR,ADDR…` on the command line.
struct AddressList: ExpressibleByArgument {
    let addresses: Set<IPAddress>

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        let addresses = parts.compactMap { IPAddress($0) }
        guard addresses.count == parts.count else { return nil }
        self.addresses = Set(addresses)
    }
}

/// `NAME,NAME…` on the command line: at most 15 bytes each (linux/if.h), and nothing that nft would take for a pattern.
struct InterfaceNames: ExpressibleByArgument {
    let names: [String]

    init?(argument: String) {
        names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let isValid = names.allSatisfy { name in
            (1...15).contains(name.utf8.count)
                && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"*\"\\/".utf8.contains($0) }
        }
        guard isValid else { return nil }
    }
}

/// The levels of swift-log, on the command line.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, notice, warning, error, critical

    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}
