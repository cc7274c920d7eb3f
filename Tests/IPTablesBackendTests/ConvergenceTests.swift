import DataplaneConformance
import Dataplane
import DataplaneTestKit
import IPTablesBackend
import NFTables
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// From whatever is there to what should be there, in one transaction, and nothing more.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ConvergenceTests {
    static let web = Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: ["10.244.1.2", "10.244.1.3"])
    static let other = Service.test(
        "other", clusterIPs: ["10.96.0.11", "fd00:96::11"], nodePort: 30080, endpoints: ["10.244.1.4", "fd00::4"])

    static func generation(_ namespace: NetworkNamespace) throws -> UInt32 {
        try namespace.run {
            var socket = try NFTablesSocket()
            return try socket.generation()
        }
    }

    @Test func secondApplySendsNothing() throws {
        let namespace = try NetworkNamespace("second")
        let desired = Desired(services: SampleServices.everything)
        let before = try Self.generation(namespace)
        #expect(try desired.apply(in: namespace).added > 100)
        let after = try Self.generation(namespace)
        #expect(after == before + 1, "one transaction")
        #expect(try desired.apply(in: namespace).isEmpty)
        #expect(try Self.generation(namespace) == after, "no transaction")
    }

    /// Every state to every other, by a new process and by one that goes on: one transaction each, and the same end as
    /// from nothing.
    @Test func convergesFromAnyState() throws {
        var three = Self.web
        three.endpoints.append(Endpoint(address: "10.244.1.9"))
        var moved = Self.other
        moved.clusterIPs = ["10.96.0.10"]
        var sticky = Self.web
        sticky.clientIPAffinitySeconds = 60
        sticky.maxConnections = 10
        var node = NodeFacts(nodeName: "node-a")
        node.clusterCIDRs = ["10.244.0.0/16"].compactMap { CIDR($0) }
        let states = [
            Desired(services: []), Desired(services: [Self.web]), Desired(services: [Self.web, Self.other]),
            Desired(services: [three, Self.other]), Desired(services: [sticky]), Desired(services: [moved]),
            Desired(services: [Self.web], node: node), Desired(services: SampleServices.everything),
        ]
        let namespace = try NetworkNamespace("any")
        for second in states {
            let fresh = try NetworkNamespace("fresh")
            try second.load(in: fresh)
            let expected = try Stock.saved(in: fresh).sorted()
            for first in states {
                try first.apply(in: namespace)
                let before = try Self.generation(namespace)
                let changes = try second.apply(in: namespace)
                #expect(try Self.generation(namespace) == before + (changes.isEmpty ? 0 : 1))
                #expect(try second.differences(in: namespace) == [])
                #expect(try Stock.saved(in: namespace).sorted() == expected)
            }
        }
    }

    /// A process that goes on needs no look at the kernel between changes, also for rules that it has made itself.
    @Test func goesOnFromWhatItMade() throws {
        let namespace = try NetworkNamespace("going")
        let services = SampleServices.everything
        let planner = ServicePlanner(node: NodeFacts(nodeName: "node-a"))
        try Desired(services: services).observing(in: namespace) { reconciliation in
            _ = try reconciliation.apply()
            var generation = try Self.generation(namespace)
            for service in services {
                for (old, new) in [(service, nil), (nil, service)] as [(Service?, Service?)] {
                    if let old {
                        reconciliation.state.unwant(reconciliation.backend.fragment(for: planner.plan(old)))
                    }
                    if let new {
                        reconciliation.state.want(reconciliation.backend.fragment(for: planner.plan(new)))
                    }
                    #expect(try !reconciliation.apply().isEmpty)
                    generation += 1
                    #expect(try Self.generation(namespace) == generation)
                }
            }
        }
        #expect(try Desired(services: services).differences(in: namespace) == [])
    }

    /// One endpoint's change rewrites the chain of its service port, and keeps the counters of all others.
    @Test func changesOnlyWhatDiffers() throws {
        let namespace = try NetworkNamespace("only")
        var services = Service.numbered(1...50)
        try Desired(services: services).apply(in: namespace)
        services[20].endpoints[1] = Endpoint(address: "10.250.0.1")
        let lines = try Desired(services: services).differences(in: namespace)
        #expect(lines.count <= 6 && lines.allSatisfy { $0.contains("-A SVCCTL-SVC-") }, "\(lines)")
        #expect(lines.contains { $0.hasPrefix("+ ") && $0.contains("--to-destination 10.250.0.1:8080") })
        #expect(try Desired(services: services).apply(in: namespace) == ChangeSummary(added: 0, changed: 1, removed: 0))
        services[20].clusterIPs = ["10.96.9.9"]
        #expect(try Desired(services: services).apply(in: namespace).changed == 0)
    }

    struct Vandalism: Sendable, CustomTestStringConvertible {
        var command: String
        var isSeenAs: String
        var testDescription: String { command }

        static let all = [
            Vandalism(
                command: "iptables-nft -t nat -D SVCCTL-SERVICES 1",
                isSeenAs: "+ iptables -t nat -A SVCCTL-SERVICES -d 0.0.0.10/0.0.0.63 -j SVCCTL-SERVICES-0A"),
            Vandalism(
                command: "iptables-nft -t nat -D SVCCTL-SERVICES-0A 1",
                isSeenAs: "+ iptables -t nat -A SVCCTL-SERVICES-0A -d 10.96.0.10/32 -p tcp -m tcp --dport 80"),
            Vandalism(
                command: "iptables-nft -t nat -R SVCCTL-SERVICES-0B 1 -d 10.96.0.11 -p tcp --dport 80 -j RETURN",
                isSeenAs: "- iptables -t nat -A SVCCTL-SERVICES-0B -d 10.96.0.11/32 -p tcp -m tcp --dport 80 -j RETURN"),
            Vandalism(
                command: "iptables-nft -t nat -I SVCCTL-SERVICES-0B -d 10.96.0.10 -p tcp --dport 80 -j ACCEPT",
                isSeenAs: "- iptables -t nat -A SVCCTL-SERVICES-0B -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j ACCEPT"),
            Vandalism(
                command: "printf '*nat\\nCOMMIT\\n' | iptables-nft-restore",
                isSeenAs: "+ iptables -t nat -N SVCCTL-SERVICES-0A"),
            Vandalism(
                command: "iptables-nft -t nat -I SVCCTL-SERVICES -p tcp --dport 22 -j ACCEPT",
                isSeenAs: "- iptables -t nat -A SVCCTL-SERVICES -p tcp -m tcp --dport 22 -j ACCEPT"),
            Vandalism(
                command: "iptables-nft -t nat -A SVCCTL-SERVICES -j LOG",
                isSeenAs: "- iptables -t nat -A SVCCTL-SERVICES ([ counter"),
            Vandalism(
                command: "iptables-nft -t nat -A SVCCTL-POSTROUTING -s 10.0.0.1 -j RETURN",
                isSeenAs: "- iptables -t nat -A SVCCTL-POSTROUTING -s 10.0.0.1/32 -j RETURN"),
            Vandalism(
                command: "ip6tables-nft -F SVCCTL-FILTER",
                isSeenAs: "+ ip6tables -t filter -A SVCCTL-FILTER -j SVCCTL-CLUSTER-IPS"),
            Vandalism(
                command: "iptables-nft -t nat -D OUTPUT 1", isSeenAs: "+ iptables -t nat -A OUTPUT -m comment"),
            Vandalism(command: "iptables-nft -F", isSeenAs: "+ iptables -t filter -A INPUT"),
            Vandalism(command: "iptables-nft -t nat -F", isSeenAs: "+ iptables -t nat -A SVCCTL-SVC-"),
            Vandalism(
                command: "nft delete table ip6 nat", isSeenAs: "+ ip6tables -t nat -N SVCCTL-POSTROUTING"),
            Vandalism(command: "nft flush ruleset", isSeenAs: "+ ip6tables -t filter -N SVCCTL-FILTER"),
            Vandalism(
                command:
                    "iptables-nft -t nat -A PREROUTING -m comment --comment \"svcctl: services\" -j SVCCTL-SERVICES",
                isSeenAs: "- iptables -t nat -A PREROUTING -m comment --comment \"svcctl: services\" -j SVCCTL-SERVICES"
            ),
            Vandalism(
                command: "iptables-nft -t nat -D SVCCTL-SERVICES -m comment --comment 'svcctl: node ports come last'",
                isSeenAs: "+ iptables -t nat -A SVCCTL-SERVICES -m comment"),
            Vandalism(
                command: "ip6tables-nft -D SVCCTL-FILTER 1", isSeenAs: "+ ip6tables -t filter -A SVCCTL-FILTER -m"),
            Vandalism(
                command:
                    "iptables-nft -t nat -D OUTPUT 1; iptables-nft -t nat -D PREROUTING 1; iptables-nft -t nat -R "
                    + "SVCCTL-SERVICES 3 -p icmp -m comment --comment 'svcctl: node ports come last' -j LOG",
                isSeenAs: "- iptables -t nat -A SVCCTL-SERVICES ("),
            Vandalism(
                command:
                    "iptables-nft -t nat -F SVCCTL-SERVICES; "
                    + "iptables-nft -t nat -A SVCCTL-SERVICES -s 10.0.0.1 -j ACCEPT",
                isSeenAs: "- iptables -t nat -A SVCCTL-SERVICES -s 10.0.0.1/32 -j ACCEPT"),
            Vandalism(
                command:
                    "iptables-nft -t nat -R PREROUTING 1 -p tcp -m comment --comment \"svcctl: services\" "
                    + "-j SVCCTL-SERVICES",
                isSeenAs: "- iptables -t nat -A PREROUTING -p tcp -m comment --comment \"svcctl: services\""),
            Vandalism(
                command: "iptables-nft -A INPUT -p icmp -m comment --comment \"svcctl: older\" -g SVCCTL-FILTER",
                isSeenAs: "- iptables -t filter -A INPUT ("),
            Vandalism(
                command: "iptables-nft -t nat -N SVCCTL-SVC-AAAAAAAAAAAAAAAA",
                isSeenAs: "- iptables -t nat -N SVCCTL-SVC-AAAAAAAAAAAAAAAA"),
        ]
    }

    @Test(arguments: Vandalism.all)
    func seesAndMendsWhatOthersChanged(_ vandalism: Vandalism) throws {
        let namespace = try NetworkNamespace("mended")
        let desired = Desired(services: [Self.web, Self.other])
        try desired.apply(in: namespace)
        let saved = try Stock.saved(in: namespace)
        try namespace.tool(["sh", "-c", vandalism.command])
        let lines = try desired.differences(in: namespace)
        #expect(lines.contains { $0.hasPrefix(vandalism.isSeenAs) }, "\(lines)")
        let before = try Self.generation(namespace)
        #expect(try !desired.apply(in: namespace).isEmpty)
        #expect(try Self.generation(namespace) == before + 1)
        #expect(try desired.differences(in: namespace) == [])
        #expect(try Stock.saved(in: namespace).sorted() == saved.sorted())
    }

    /// A rule of an endpoint that was changed by hand is the one that shows, whichever of the chain's rules it is.
    @Test(arguments: [1, 2]) func aChangedRuleShowsAsItself(_ place: Int) throws {
        let namespace = try NetworkNamespace("rule")
        let desired = Desired(services: [Self.web])
        try desired.apply(in: namespace)
        let chain = try #require(
            Stock.saved(.ipv4, in: namespace).first { $0.hasPrefix(":SVCCTL-SVC-") }?.dropFirst().split(separator: " ")
                .first
        )
        try namespace.tool([
            "iptables-nft", "-t", "nat", "-R", String(chain), "\(place)", "-p", "tcp", "-j", "DNAT", "--to-destination",
            "10.9.9.9:1",
        ])
        let lines = try desired.differences(in: namespace)
        #expect(lines.count == 2)
        #expect(lines.contains("- iptables -t nat -A \(chain) -p tcp -j DNAT --to-destination 10.9.9.9:1"))
        #expect(lines.contains { $0.hasPrefix("+ iptables -t nat -A \(chain) -p tcp") })
        try desired.apply(in: namespace)
        #expect(try desired.differences(in: namespace) == [])
    }
}
