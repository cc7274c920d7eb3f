import Dataplane
import DataplaneTestKit
import Foundation
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// What we write, what stock nft writes from the dry run, and what both read back, are the same.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct EquivalenceTests {
    /// Definitions that between them use every set, chain and rule of the layout.
    struct Scenario: Sendable, CustomTestStringConvertible {
        var name: String
        var desired: Desired
        /// Stock nft 1.0.6 lists rules that fill maps with keys of over 16 bytes, as IPv6 affinity has them, but it fails
        /// to load them.
        var nftLoadsIt = true

        var testDescription: String { name }

        static let all: [Scenario] = {
            let blocks = ["10.244.0.0/16", "10.250.0.0/20", "fd00:244::/32", "fd00:250::/50"].compactMap { CIDR($0) }
            let nodePortBlocks = ["192.0.2.0/24", "192.0.2.7/32", "2001:db8::/61"].compactMap { CIDR($0) }
            var everywhere = NodeFacts(nodeName: "node-a", clusterCIDRs: ["0.0.0.0/0", "::/0"].compactMap { CIDR($0) })
            everywhere.serviceCIDRs = ["10.96.0.0/12", "fd00:96::/112"].compactMap { CIDR($0) }
            return [
                Scenario(name: "nothing", desired: Desired(services: [])),
                Scenario(name: "every kind", desired: Desired(services: everything)),
                Scenario(
                    name: "cluster CIDRs and node-port blocks",
                    desired: Desired(
                        services: everything,
                        node: NodeFacts(
                            nodeName: "node-a", clusterCIDRs: blocks, nodePortAddresses: nodePortBlocks),
                        masqueradeBit: 31)),
                Scenario(
                    name: "all addresses are pods, and service blocks are known",
                    desired: Desired(services: everything, node: everywhere)),
                Scenario(
                    name: "masquerade all, node ports nowhere in IPv6",
                    desired: Desired(
                        services: everything,
                        node: NodeFacts(
                            masqueradeAll: true, nodePortAddresses: ["0.0.0.0/0"].compactMap { CIDR($0) }),
                        masqueradeBit: 0)),
                Scenario(
                    name: "schedulers, and pods by interface",
                    desired: Desired(services: scheduled, node: interfaces)),
                Scenario(
                    name: "lists and limits, node ports on blocks",
                    desired: Desired(services: limited, node: interfaces)),
                Scenario(name: "affinity in IPv4", desired: Desired(services: sticky.map(ipv4Only))),
                Scenario(name: "affinity", desired: Desired(services: sticky, node: interfaces), nftLoadsIt: false),
            ]
        }()

        static let loadable = all.filter(\.nftLoadsIt)

        static let interfaces: NodeFacts = {
            var node = NodeFacts(nodeName: "node-a", nodePortAddresses: ["192.0.2.0/24"].compactMap { CIDR($0) })
            node.podInterfaces = [.bridge("cni0"), .prefix("veth")]
            return node
        }()

        /// Every service, with another scheduler each, and weights.
        static let scheduled = everything.enumerated().map { index, service in
            var service = service
            service.scheduler = NFTablesBackend.schedulers[index % 4]
            for index in service.endpoints.indices { service.endpoints[index].weight = UInt16(index % 4) }
            return service
        }

        /// The same with clients that are remembered, for several timeouts.
        static let sticky = scheduled.enumerated().map { index, service in
            var service = service
            service.clientIPAffinitySeconds = [10800, 60, 86400][index % 3]
            return service
        }

        /// Every service with lists of sources and some of the limits.
        static let limited = everything.enumerated().map { index, service in
            var service = service
            service.allowedSources = ["192.0.2.0/24", "198.51.100.0/25", "2001:db8::/33"].compactMap { CIDR($0) }
            if index % 2 == 0 { service.deniedSources = ["192.0.2.7/32", "2001:db8::7/128"].compactMap { CIDR($0) } }
            if index % 3 != 1 { service.maxConnections = UInt32(1000 + index) }
            if index % 3 != 2 { service.maxConnectionsPerSource = UInt32(10 + index % 4) }
            if index % 4 != 0 {
                service.newConnectionsPerSecond = RateLimit(perSecond: UInt32(index), burst: UInt32(4 + index))
            }
            return service
        }

        static func ipv4Only(_ service: Service) -> Service {
            var service = service
            service.clusterIPs.removeAll { $0.family == .ipv6 }
            service.externalIPs.removeAll { $0.family == .ipv6 }
            service.loadBalancerIPs.removeAll { $0.family == .ipv6 }
            return service
        }

        static let everything: [Service] = {
            var services: [Service] = []
            for transport in TransportProtocol.allCases {
                var service = TrafficTests.everyKind(transport)
                service.name = ServiceName(namespace: "test", name: "cluster-\(transport)")
                services.append(service)
                service.name = ServiceName(namespace: "test", name: "local-\(transport)")
                service.loadBalancerSourceRanges = [
                    "198.51.100.0/24", "198.51.100.7/32", "192.0.2.5/32", "2001:db8::/33", "10.0.0.0/8", "fd00::1/128",
                ].compactMap { CIDR($0) }
                service.externalTrafficPolicy = .local
                service.clusterIPs = ["10.96.1.10", "fd00:96::1:10"]
                service.externalIPs = ["203.0.113.70"]
                service.loadBalancerIPs = ["2001:db8:ffff::70", "203.0.113.80"]
                service.ports[0].nodePort = 30081
                for index in service.endpoints.indices where index % 3 == 0 {
                    service.endpoints[index].nodeName = "node-a"
                }
                services.append(service)
                service.name = ServiceName(namespace: "test", name: "elsewhere-\(transport)")
                service.internalTrafficPolicy = .local
                service.clusterIPs = ["10.96.2.10", "fd00:96::2:10"]
                service.externalIPs = ["203.0.113.71"]
                service.loadBalancerIPs = ["2001:db8:ffff::71"]
                service.ports[0].nodePort = 30082
                for index in service.endpoints.indices { service.endpoints[index].nodeName = "node-b" }
                services.append(service)
                var empty = TrafficTests.everyKind(transport, pods: 0)
                empty.name = ServiceName(namespace: "test", name: "empty-\(transport)")
                empty.clusterIPs = ["10.96.3.10", "fd00:96::3:10"]
                empty.externalIPs = ["203.0.113.72"]
                empty.loadBalancerIPs = ["2001:db8:ffff::72"]
                empty.ports[0].nodePort = 30083
                services.append(empty)
            }
            return services
        }()
    }

    @Test(arguments: Scenario.loadable)
    func dryRunLoadsToWhatApplyMakes(_ scenario: Scenario) throws {
        let loaded = try NetworkNamespace("loaded")
        let applied = try NetworkNamespace("applied")
        try loaded.nft(scenario.desired.script)
        try scenario.desired.apply(in: applied)
        let list = ["nft", "-j", "list", "ruleset"]
        // Handles differ where the kernel began again, as it does when it has loaded a module.
        #expect(try Self.normalized(loaded.tool(list)) == Self.normalized(applied.tool(list)))
        #expect(try loaded.tool(["nft", "list", "ruleset"]) == applied.tool(["nft", "list", "ruleset"]))
        // We find nothing to change in what nft made, nor in what we made.
        #expect(try scenario.desired.differences(in: loaded) == [])
        #expect(try scenario.desired.differences(in: applied) == [])
    }

    /// What stock nft cannot load it lists, and what we find is what we made.
    @Test func everythingCanBeListed() throws {
        for scenario in Scenario.all where !scenario.nftLoadsIt {
            let namespace = try NetworkNamespace("listed")
            try scenario.desired.apply(in: namespace)
            #expect(try namespace.tool(["nft", "list", "ruleset"]).contains("update @affinity"))
            #expect(try scenario.desired.differences(in: namespace) == [])
        }
    }

    /// Stock nft reads its own listing of our tables, byte for byte.
    @Test(arguments: Scenario.loadable)
    func listingReloads(_ scenario: Scenario) throws {
        let namespace = try NetworkNamespace("listing")
        try scenario.desired.apply(in: namespace)
        let listing = try namespace.tool(["nft", "list", "ruleset"])
        let other = try NetworkNamespace("reloaded")
        try other.nft(listing)
        #expect(try other.tool(["nft", "list", "ruleset"]) == listing)
        #expect(try scenario.desired.differences(in: other) == [])
    }

    /// `--output json` is what `nft -j list ruleset` prints, handles and nft's own version apart.
    @Test(arguments: Scenario.all)
    func dryRunJSONIsWhatNftPrints(_ scenario: Scenario) throws {
        let namespace = try NetworkNamespace("json")
        try scenario.desired.apply(in: namespace)
        let printed = try Self.normalized(namespace.tool(["nft", "-j", "list", "ruleset"]))
        #expect(try Self.normalized(scenario.desired.json) == printed)
    }

    private static func normalized(_ json: String) throws -> [String] {
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let list = try #require(object["nftables"] as? [[String: Any]])
        return try list.filter { $0["metainfo"] == nil }.map { entry in
            let cleaned = entry.mapValues { value -> Any in
                guard var value = value as? [String: Any] else { return value }
                value["handle"] = nil
                return value
            }
            return String(
                decoding: try JSONSerialization.data(withJSONObject: cleaned, options: .sortedKeys), as: UTF8.self)
        }
    }

    /// The order of services and endpoints does not show.
    @Test func dryRunDoesNotDependOnOrder() {
        let services = Scenario.everything
        let reversed = services.reversed().map { service -> Service in
            var service = service
            service.endpoints.reverse()
            return service
        }
        #expect(Desired(services: services).script == Desired(services: Array(reversed)).script)
    }
}
