import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPTablesBackend
public import NetAddress
import ServiceModel
import ServicePlan

/// Shorthands for tests: text that is known to be an address.
extension IPAddress: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) {
        guard let address = IPAddress(text) else { preconditionFailure("\(text) is no address") }
        self = address
    }
}

extension Service {
    /// A service with one port 80 that leads to 8080, unless the closure says otherwise.
    static func test(
        _ name: String, clusterIPs: [IPAddress] = [], transport: TransportProtocol = .tcp, nodePort: UInt16? = nil,
        endpoints: [IPAddress] = [], _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        var service = Service(name: ServiceName(namespace: "test", name: name))
        service.clusterIPs = clusterIPs
        service.ports = [
            ServicePort(name: "web", transport: transport, port: 80, target: .number(8080), nodePort: nodePort)
        ]
        service.endpoints = endpoints.map { Endpoint(address: $0) }
        change(&service)
        return service
    }
}

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
