import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPVSBackend
import Links
import ServiceModel
import ServicePlan

/// The IPVS backend as the conformance suite drives it.
struct IPVSSubject: SystemUnderTest {
    var abilities: Abilities {
        var abilities = Abilities(
            schedulers: [.random, .roundRobin, .sourceHash, .maglev], restrictions: [.sourceLists])
        abilities.addressesAreOne = false
        abilities.addressesAreLocal = true
        abilities.endedByStraySegments = .external
        abilities.drainedAreRemembered = false
        abilities.connectionsAreRemembered = true
        return abilities
    }

    func apply(services: [Service], node: NodeFacts, in namespace: NetworkNamespace) throws {
        _ = try Desired(services: services, node: node).at(namespace).observing(in: namespace) {
            for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
            let changes = try $0.apply()
            return try FlowCleanup.run(after: changes.udp, ServicePlans(services, node: node))
        }
    }

    func differences(services: [Service], node: NodeFacts, in namespace: NetworkNamespace) throws -> [String] {
        try Desired(services: services, node: node).at(namespace).differences(in: namespace)
    }

    func removeAll(in namespace: NetworkNamespace) throws {
        _ = try namespace.run {
            var backend = IPVSBackend(options: LayoutOptions())
            return try backend.removeAll()
        }
    }

    func damage(in namespace: NetworkNamespace) throws { try namespace.tool(["ipvsadm", "-C"]) }

    /// What stock tools print, sorted.
    func stateFingerprint(in namespace: NetworkNamespace) throws -> String {
        try Stock.state(in: namespace).joined(separator: "\n")
    }
}
