import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPTablesBackend
import NetAddress
import ServiceModel
import ServicePlan

/// Services on their way to the kernel.
typealias Desired = DesiredServices<IPTablesBackend>

extension DesiredServices<IPTablesBackend> {
    /// The dry run's input for a family's tool.
    func input(_ family: IPFamily) -> String {
        var restore = RestoreText(options: options)
        for service in plans.services { restore.add(service) }
        var text: [UInt8] = []
        restore.write(family, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Loads the dry run with the stock tools.
    func load(in namespace: NetworkNamespace) throws {
        for family in IPFamily.allCases {
            try namespace.tool([Stock.restore(family), "--noflush"], input: input(family))
        }
    }
}

/// The stock tools.
enum Stock {
    static func tool(_ family: IPFamily) -> String { family == .ipv4 ? "iptables-nft" : "ip6tables-nft" }
    static func restore(_ family: IPFamily) -> String { tool(family) + "-restore" }

    /// What `iptables-save` prints for both families, without comments and counts.
    static func saved(in namespace: NetworkNamespace) throws -> [String] {
        try IPFamily.allCases.flatMap { try saved($0, in: namespace) }
    }

    static func saved(_ family: IPFamily, in namespace: NetworkNamespace) throws -> [String] {
        try namespace.tool([tool(family) + "-save"]).split(separator: "\n").map(String.init)
            .filter { !$0.hasPrefix("#") }
            .map { line in line.hasPrefix(":") ? String(line.prefix { $0 != "[" }) : line }
    }
}
