import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPVSBackend
import Links
import NetAddress
import ServiceModel
import ServicePlan

/// Services on their way to the kernel.
typealias Desired = DesiredServices<IPVSBackend>

extension DesiredServices<IPVSBackend> {
    /// The dry run's input for a tool.
    func input(_ tool: LoadText.Tool) -> String {
        var load = LoadText(options: options)
        for service in plans.services { load.add(service) }
        var text: [UInt8] = []
        load.write(tool, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Loads the dry run with the stock tools.
    func load(in namespace: NetworkNamespace) throws {
        // If IPVS loaded these modules itself, the kernel could come to a stop.
        try namespace.tool(["modprobe", "-a", "ip_vs_lblc", "ip_vs_lblcr"])
        for tool in LoadText.Tool.allCases {
            let command = tool.rawValue.split(separator: " ").map(String.init)
            try namespace.tool(command, input: input(tool))
        }
    }

    /// The same services on the node that a namespace is.
    func at(_ namespace: NetworkNamespace) throws -> Self {
        guard node.addresses == nil else { return self }
        var copy = self
        copy.node.addresses = try namespace.run {
            var reader = try NodeAddressReader()
            return try reader.addresses(exceptOn: ServiceDevice.names)
        }
        return copy
    }
}

/// What stock tools print of our state, without counters, and in an order that means nothing.
enum Stock {
    static func state(in namespace: NetworkNamespace) throws -> [String] {
        let servers = try namespace.tool(["ipvsadm", "-S", "-n"])
        let addresses = try namespace.toolResult(["ip", "-o", "address", "show", "dev", "svcctl0"]).output
        return lines(servers) + (try sets(in: namespace))
            // Without the interface's number.
            + lines(addresses).filter { !$0.contains("fe80:") }.map { String($0.drop { $0 != " " }) }
            + (try IPFamily.allCases.flatMap { try saved($0, in: namespace) })
    }

    /// What `ipset save` prints, without the sizes to which hashes have grown, and each set's random number.
    static func sets(in namespace: NetworkNamespace) throws -> [String] {
        lines(try namespace.tool(["ipset", "save"])).map { line in
            var words = line.split(separator: " ").map(String.init)
            for name in ["hashsize", "bucketsize", "initval"] {
                guard words.first == "create", let place = words.firstIndex(of: name) else { continue }
                words.removeSubrange(place...(place + 1))
            }
            return words.joined(separator: " ")
        }
    }

    /// What `iptables-save` prints, without comments and counts.
    static func saved(_ family: IPFamily, in namespace: NetworkNamespace) throws -> [String] {
        lines(try namespace.tool([(family == .ipv4 ? "iptables" : "ip6tables") + "-nft-save"]))
            .filter { !$0.hasPrefix("#") }
            .map { line in line.hasPrefix(":") ? String(line.prefix { $0 != "[" }) : line }
    }

    private static func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init).sorted() }
}
