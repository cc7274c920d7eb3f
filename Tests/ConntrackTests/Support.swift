import Conntrack
import DataplaneTestKit
import NetAddress
import Netlink

func ip(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(ipv4: 0) }

extension NetworkNamespace {
    /// All flows of a family and protocol, in a fixed order.
    func flows(_ family: IPFamily, _ transport: TransportProtocol = .udp, filtersInKernel: Bool = true) throws -> [Flow]
    {
        try run {
            var socket = try ConntrackSocket()
            socket.filtersInKernel = filtersInKernel
            var flows: Set<Flow> = []
            try socket.flows(family, transport) { flows.insert($0) }
            return flows.sorted {
                ($0.original.source, $0.original.sourcePort) < ($1.original.source, $1.original.sourcePort)
            }
        }
    }

    func create(_ flows: [Flow]) throws -> Int {
        try run {
            var socket = try ConntrackSocket()
            return try socket.create(flows, timeout: 600)
        }
    }

    func delete(_ flows: [Flow]) throws -> Int {
        try run {
            var socket = try ConntrackSocket()
            return try socket.delete(flows)
        }
    }
}

extension Flow {
    /// A flow to port 53 of a service address, translated to port 5353 of an endpoint.
    static func example(
        _ family: IPFamily, sourcePort: UInt16, endpoint: UInt32 = 1, transport: TransportProtocol = .udp,
        zone: Zone? = nil
    ) -> Flow {
        func address(_ network: UInt32, _ host: UInt32) -> IPAddress {
            family == .ipv4
                ? IPAddress(ipv4: 10 << 24 | network << 16 | host)
                : IPAddress(ipv6: 0xfd00 << 48, UInt64(network << 16 | host))
        }
        let original = Tuple(
            source: address(244, 9), sourcePort: sourcePort, destination: address(96, 10), destinationPort: 53)
        let reply = Tuple(
            source: address(245, endpoint), sourcePort: 5353, destination: address(244, 9),
            destinationPort: sourcePort)
        return Flow(transport: transport, original: original, reply: reply, zone: zone)
    }

    /// What does not depend on the moment.
    var withoutState: Flow {
        Flow(transport: transport, original: original, reply: reply, zone: zone)
    }
}

/// Flows as the stock tool lists them.
struct ToolListing {
    /// `ADDRESS PORT ADDRESS PORT` of both directions, and the number.
    let lines: Set<String>

    init(_ namespace: NetworkNamespace, _ family: IPFamily, _ transport: TransportProtocol = .udp) throws {
        let text = try namespace.tool([
            "conntrack", "-L", "-f", "\(family)".lowercased(), "-p", "\(transport)", "-o", "id,extended",
        ])
        lines = Set(text.split(separator: "\n").map { Self.summary(of: $0) })
    }

    /// The tool writes `src= dst= sport= dport=` of the original direction, then of the reply, and at the end `id=`.
    private static func summary(of line: Substring) -> String {
        let fields = line.split(separator: " ").compactMap { field -> String? in
            let parts = field.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let name = parts.first, let value = parts.last else { return nil }
            return ["src", "dst", "sport", "dport", "id"].contains(name) ? String(value) : nil
        }
        return fields.joined(separator: " ")
    }

    static func line(_ flow: Flow) -> String {
        func text(_ tuple: Flow.Tuple) -> String {
            "\(tuple.source) \(tuple.destination) \(tuple.sourcePort) \(tuple.destinationPort)"
        }
        return "\(text(flow.original)) \(text(flow.reply)) \(flow.id)"
    }
}
