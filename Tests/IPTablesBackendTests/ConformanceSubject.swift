import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPTablesBackend
import ServiceModel
import ServicePlan

/// The iptables backend as the conformance suite drives it.
struct IPTablesSubject: SystemUnderTest {
    var abilities: Abilities {
        var abilities = Abilities(schedulers: [.random], restrictions: Set(Restriction.allCases))
        abilities.endedByStraySegments = .all
        return abilities
    }

    func apply(services: [Service], node: NodeFacts, in namespace: NetworkNamespace) throws {
        _ = try Desired(services: services, node: node).observing(in: namespace) {
            let changes = try $0.apply()
            return try FlowCleanup.run(after: changes.udp, ServicePlans(services, node: node))
        }
    }

    func differences(services: [Service], node: NodeFacts, in namespace: NetworkNamespace) throws -> [String] {
        try Desired(services: services, node: node).differences(in: namespace)
    }

    func removeAll(in namespace: NetworkNamespace) throws {
        _ = try namespace.run {
            var backend = IPTablesBackend(options: LayoutOptions())
            return try backend.removeAll()
        }
    }

    func damage(in namespace: NetworkNamespace) throws {
        for tool in ["iptables-nft", "ip6tables-nft"] {
            try namespace.tool([tool, "-t", "nat", "-F", "PREROUTING"])
        }
    }

    /// What stock iptables saves. The rules of chains that services share have no order.
    func stateFingerprint(in namespace: NetworkNamespace) throws -> String {
        let shared = ["SVCCTL-SERVICES", "SVCCTL-NODEPORTS", "SVCCTL-CLUSTER-IPS"]
        var places: [Substring: Int] = [:]
        let lines = try Stock.saved(in: namespace).map { line in
            let parts = line.split(separator: " ", maxSplits: 2)
            guard parts.count > 1, parts[0] == "-A", !shared.contains(where: { parts[1].hasPrefix($0) }) else {
                return line
            }
            places[parts[1], default: 0] += 1
            return "\(parts[1]) \(places[parts[1], default: 0]) \(line)"
        }
        return lines.sorted().joined(separator: "\n")
    }
}
