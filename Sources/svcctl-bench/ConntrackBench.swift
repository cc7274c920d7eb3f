internal import ArgumentParser
internal import Conntrack
internal import NetAddress
internal import Netlink

/// Finding UDP flows in a table that is full of TCP: with the kernel's filter, and by reading everything.
struct ConntrackBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conntrack", abstract: "List and delete UDP flows among many TCP flows.",
        discussion: """
            The kernel must allow so many entries (net.netfilter.nf_conntrack_max, which only the machine's own \
            network namespace can change).
            """)

    @Option(help: "How many TCP flows there are.") var tcp = 200_000
    @Option(help: "How many UDP flows there are.") var udp = 1_000
    @Option var runs = 5

    func run() throws {
        var socket = try ConntrackSocket()
        for transport in [TransportProtocol.tcp, .udp] {
            guard try Self.list(&socket, transport).isEmpty else {
                throw ValidationError(
                    "there are flows here; run this in a network namespace of its own (unshare --net)")
            }
        }
        let others = Self.flows(.tcp, tcp)
        let flows = Self.flows(.udp, udp)
        var stopwatch = Stopwatch()
        _ = try stopwatch.measure("fill") { () throws(NetlinkError) in
            try socket.create(others, timeout: Self.timeout)
        }
        for _ in 0..<runs {
            try socket.create(flows, timeout: Self.timeout)
            var listed: [Flow] = []
            for (name, filters) in [("dump", true), ("dump-all", false)] {
                socket.filtersInKernel = filters
                listed = try stopwatch.measure(name) { () throws(NetlinkError) in try Self.list(&socket, .udp) }
                guard listed.count >= flows.count else { throw ValidationError("flows are missing: \(listed.count)") }
            }
            _ = try stopwatch.measure("delete") { () throws(NetlinkError) in try socket.delete(listed) }
        }
        socket.filtersInKernel = true
        try socket.delete(Self.list(&socket, .tcp))
    }

    private static let timeout: UInt32 = 3600

    private static func list(
        _ socket: inout ConntrackSocket, _ transport: TransportProtocol
    ) throws(NetlinkError) -> [Flow] {
        var flows: [Flow] = []
        try socket.flows(.ipv4, transport) { flows.append($0) }
        return flows
    }

    /// Each from an address of its own.
    private static func flows(_ transport: TransportProtocol, _ count: Int) -> [Flow] {
        (0..<max(count, 0)).map { number in
            let original = Flow.Tuple(
                source: IPAddress(ipv4: 0x0af4_0000 &+ UInt32(truncatingIfNeeded: number)), sourcePort: 40_000,
                destination: IPAddress(ipv4: 0x0a60_000a), destinationPort: 53)
            return Flow(transport: transport, original: original, reply: original.reversed)
        }
    }
}
