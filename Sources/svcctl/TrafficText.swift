internal import Dataplane
internal import NFTables

/// What the kernel counts for frontends and endpoints, for people and programs.
enum TrafficText {
    static let titles = ["IN", "OUT"]

    /// Bytes of both directions, with what comes in a second: `1.2 MB (3.4 kB/s)`.
    static func columns(_ traffic: TrafficStatus?) -> [String] {
        guard let traffic else { return ["-", "-"] }
        return [traffic.incoming, traffic.outgoing].map { volume in
            amount(volume.bytes) + (volume.bytesPerSecond > 0 ? " (\(amount(volume.bytesPerSecond))/s)" : "")
        }
    }

    /// `999 B`, `1.2 kB`, in steps of a thousand.
    static func amount(_ bytes: UInt64) -> String {
        var (whole, rest) = (bytes, 0 as UInt64)
        for unit in ["B", "kB", "MB", "GB", "TB", "PB"] {
            if whole < 1000 {
                return unit == "B" || whole >= 100 ? "\(whole) \(unit)" : "\(whole).\(rest / 100) \(unit)"
            }
            (whole, rest) = whole.quotientAndRemainder(dividingBy: 1000)
        }
        return "\(whole) EB"
    }

    static func json(_ traffic: TrafficStatus) -> JSON {
        [
            "connectionsPerSecond": .number(Int(clamping: traffic.connectionsPerSecond)),
            "incoming": json(traffic.incoming), "outgoing": json(traffic.outgoing),
        ]
    }

    static func members(_ endpoint: EndpointStatus) -> [JSON.Member] {
        [
            JSON.Member("weight", .number(Int(endpoint.weight))),
            JSON.Member("connections", .number(Int(clamping: endpoint.connections))),
            JSON.Member("activeConnections", .number(Int(endpoint.activeConnections))),
            JSON.Member("inactiveConnections", .number(Int(endpoint.inactiveConnections))),
            JSON.Member("traffic", json(endpoint.traffic)),
        ]
    }

    private static func json(_ volume: TrafficStatus.Volume) -> JSON {
        [
            "packets": .number(Int(clamping: volume.packets)), "bytes": .number(Int(clamping: volume.bytes)),
            "packetsPerSecond": .number(Int(clamping: volume.packetsPerSecond)),
            "bytesPerSecond": .number(Int(clamping: volume.bytesPerSecond)),
        ]
    }
}
