internal import ArgumentParser
internal import Backends
internal import Dataplane
internal import Glibc
internal import NFTables
internal import NFTablesBackend
internal import NetAddress
internal import PacketTrace
internal import ServicePlan

struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain what happens to one packet.",
        discussion: """
            Follows the first packet of a new connection through the rules that the definitions would give this node, \
            or without FILE through those that the kernel has now (needs root): which chains, which sets, which \
            endpoints with which probability, masqueraded or not, refused or dropped, and because of which definition. \
            Only rules of svcctl are followed, and only those of nftables. A source that is one of the node's addresses \
            is a process of the node.
            """)

    @Option(help: ArgumentHelp("Who connects.", valueName: "addr"), transform: TraceArguments.source)
    var from: IPAddress

    @Option(
        help: ArgumentHelp(
            "What is connected to: 10.0.0.1:80/TCP, [fd00::1]:53/UDP. Without a protocol: TCP.",
            valueName: "addr:port[/protocol]"), transform: TraceDestination.init)
    var to: TraceDestination

    @Option(help: ArgumentHelp("The interface through which the packet comes.", valueName: "interface"))
    var via: String?

    @Flag(help: "Print every rule that the packet meets, not only those that do something.")
    var verbose = false

    @Argument(
        help: ArgumentHelp(
            "Definitions in JSON or YAML: files, directories, or - for standard input. None: the kernel's rules.",
            valueName: "file"))
    var files: [String] = []

    @OptionGroup var node: NodeOptions
    @OptionGroup var backend: BackendOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard backend.backend == .nftables else {
            throw ValidationError(
                "trace follows the rules of --backend nftables alone. With --backend \(backend.backend.rawValue): `svcctl "
                    + "status` shows each address's endpoints, `iptables-save -c` (`ip6tables-save -c`) which rules "
                    + "connections have met, and `trace FILE --backend nftables` what the definitions mean")
        }
        guard from.family == to.address.address.family else {
            throw ValidationError("--from and --to must be of the same family: \(from), \(to.address.address)")
        }
    }

    func run() throws {
        // Without the option: this machine's.
        guard let own = node.addresses ?? NodeAddresses.current() else {
            printError(
                "svcctl: this machine's addresses: \(String(cString: strerror(errno))); name them: --node-address")
            throw ExitCode.unreadableInput
        }
        let view = NodeView(addresses: own)
        let isOwn = view.isLocal(from)
        guard !isOwn || via == nil else {
            throw ValidationError("--via does not go with --from \(from), which is the node's own address")
        }
        let origin: Packet.Origin = isOwn ? .node : .interface(via)
        guard let packet = Packet(from: from, to: to.address, transport: to.transport, origin: origin) else { return }
        let tracer: Tracer
        do {
            tracer = Tracer(try ruleset())
        } catch {
            throw fail(error)
        }
        let path = tracer.path(of: packet, on: view)
        let overLimits = path.metLimit ? tracer.path(of: packet, on: view, limits: .exceeded) : nil
        switch output.output {
        case .text: printText(path, overLimits)
        case .json: printJSON(Self.json(path, overLimits))
        }
    }

    private func ruleset() throws -> Ruleset {
        guard files.isEmpty else {
            let plans = try DefinitionArguments.load(files, backend.backend, node.layout.node, output)
                .plans(node.layout.node, output.logger)
            var builder = RulesetBuilder(options: node.layout)
            for service in plans.services { builder.add(service) }
            return builder.finished()
        }
        var backend = NFTablesBackend(options: node.layout)
        guard let ruleset = try backend.actualRuleset([from.family]) else {
            printError(
                "svcctl: there are no rules of --backend nftables here; name a FILE to trace what definitions would do")
            throw ExitCode.unreadableInput
        }
        return ruleset
    }

    private func printText(_ path: PacketPath, _ overLimits: PacketPath?) {
        var text = path.text(isVerbose: verbose)
        if let overLimits {
            text += overLimits.outcomeLines.map { "over the limits \($0)\n" }.joined()
        }
        printBytes(Array(text.utf8))
    }

    private static func json(_ path: PacketPath, _ overLimits: PacketPath?) -> JSON {
        guard case .object(let members) = path.json else { return path.json }
        return .object(members + [.init("outcomesOverLimits", overLimits?.outcomesJSON ?? .null)])
    }
}

/// Parses arguments with a message that says what is wrong.
enum TraceArguments {
    static func source(_ text: String) throws -> IPAddress {
        guard let address = IPAddress(text) else { throw ValidationError("'\(text)' is no address") }
        return address
    }
}

/// `ADDR:PORT/PROTO` on the command line.
struct TraceDestination {
    let address: SocketAddress
    let transport: TransportProtocol

    init(_ text: String) throws {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let name = parts.count == 2 ? parts[1].uppercased() : "TCP"
        guard parts.count <= 2, let transport = TransportProtocol(kubernetesName: name) else {
            throw ValidationError("'\(text)' does not end in a protocol: /TCP, /UDP or /SCTP")
        }
        self.transport = transport
        address = try Self.socketAddress(String(parts[0]))
    }

    private static func socketAddress(_ text: String) throws -> SocketAddress {
        if let address = IPAddress(text) {
            let example = address.family == .ipv4 ? "\(address):80" : "[\(address)]:80"
            throw ValidationError("'\(text)' has no port: write \(example)")
        }
        guard let colon = text.lastIndex(of: ":") else { throw ValidationError("'\(text)' is no address and port") }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        let digits = text[text.index(after: colon)...]
        guard let address = IPAddress(host), isBracketed == (address.family == .ipv6),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0
        else { throw ValidationError("'\(text)' is no address and port: 10.0.0.1:80, [fd00::1]:80") }
        return SocketAddress(address, port)
    }
}
