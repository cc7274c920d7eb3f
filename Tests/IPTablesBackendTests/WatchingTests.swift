import DataplaneConformance
import Dataplane
import DataplaneTestKit
import IPTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// A backend that listens knows what others do to the tables, and goes on without reading everything where that was
/// elsewhere.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct WatchingTests {
    private static let service = ConvergenceTests.web

    @Test func foreignChangesAreHeard() throws {
        let namespace = try NetworkNamespace("watching")
        let desired = Desired(services: [Self.service])
        try namespace.run {
            var reconciliation = Reconciliation(IPTablesBackend(options: desired.options), plans: desired.plans)
            _ = try reconciliation.backend.startWatching()
            try reconciliation.observe()
            _ = try reconciliation.apply()
            #expect(try reconciliation.backend.heardChanges().isEmpty, "its own transaction")
            try namespace.nft("add table ip other\n")
            #expect(try reconciliation.backend.heardChanges().isEmpty, "somebody else's table")
            try namespace.tool(["iptables-nft", "-t", "nat", "-F", "PREROUTING"])
            #expect(try reconciliation.backend.heardChanges().compactMap(\.processName) == ["iptables-nft"])
            try reconciliation.observe()
            #expect(try reconciliation.apply() == ChangeSummary(added: 1, changed: 0, removed: 0))
            #expect(try reconciliation.backend.heardChanges().isEmpty)
        }
    }

    /// A change is made at once although somebody has changed another table in between; what was changed in these is
    /// found.
    @Test func othersTablesDoNotMakeUsReadAgain() throws {
        let namespace = try NetworkNamespace("watching")
        let desired = Desired(services: [Self.service])
        var changed = Self.service
        changed.endpoints[0] = Endpoint(address: "10.244.1.9")
        let planner = ServicePlanner(node: desired.node)
        let (old, new) = (planner.plan(Self.service), planner.plan(changed))
        try namespace.run {
            var reconciliation = Reconciliation(IPTablesBackend(options: desired.options), plans: desired.plans)
            _ = try reconciliation.backend.startWatching()
            try reconciliation.observe()
            _ = try reconciliation.apply()
            try namespace.nft("add table ip other\nadd chain ip other c\n")
            reconciliation.state.unwant(reconciliation.backend.fragment(for: old))
            reconciliation.state.want(reconciliation.backend.fragment(for: new))
            #expect(try reconciliation.apply().changed == 1)

            try namespace.tool(["iptables-nft", "-t", "nat", "-I", "SVCCTL-SERVICES", "-j", "ACCEPT"])
            reconciliation.state.unwant(reconciliation.backend.fragment(for: new))
            reconciliation.state.want(reconciliation.backend.fragment(for: old))
            #expect(try reconciliation.apply().removed == 1, "the stray rule")
        }
        #expect(try desired.differences(in: namespace) == [])
    }
}
