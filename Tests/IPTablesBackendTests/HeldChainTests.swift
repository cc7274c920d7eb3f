import DataplaneConformance
import Dataplane
import DataplaneTestKit
import NetAddress
import IPTablesBackend
import ServiceModel
import ServicePlan
import Testing

/// Chains of ours that rules of others lead to.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct HeldChainTests {
    private static let web = ConvergenceTests.web
    private static let other = ConvergenceTests.other

    /// The kernel keeps a chain that somebody else's rule leads to. It is emptied, and everything else goes on.
    @Test func othersRulesKeepOneChainAndNoMore() throws {
        let namespace = try NetworkNamespace("held")
        try Desired(services: [Self.web]).apply(in: namespace)
        let chain = try OwnershipTests.chain("SVC", in: namespace)
        let theirs = ["iptables-nft", "-t", "nat", "-A", "PREROUTING", "-s", "10.9.9.9", "-j", chain]
        try namespace.tool(theirs)
        let only = Desired(services: [Self.other])
        #expect(try only.apply(in: namespace).removed > 2)
        let saved = try Stock.saved(.ipv4, in: namespace)
        #expect(saved.contains(":\(chain) - "), "\(saved)")
        #expect(saved.filter { $0.hasPrefix("-A \(chain)") } == [])
        #expect(saved.contains("-A PREROUTING -s 10.9.9.9/32 -j \(chain)"))
        #expect(try only.differences(in: namespace) == [])
        #expect(try only.apply(in: namespace).isEmpty)
        // The service may come back, and goes for good with the rule.
        let both = Desired(services: [Self.web, Self.other])
        try both.apply(in: namespace)
        #expect(try both.differences(in: namespace) == [])
        try only.apply(in: namespace)
        try namespace.tool(theirs.map { $0 == "-A" ? "-D" : $0 })
        #expect(try only.differences(in: namespace) == ["- iptables -t nat -N \(chain)"])
        try only.apply(in: namespace)
        #expect(try !Stock.saved(.ipv4, in: namespace).contains { $0.contains(chain) })
    }

    /// The same for a program that goes on without looking again.
    @Test func aServiceComesBackToAKeptChain() throws {
        let namespace = try NetworkNamespace("back")
        try Desired(services: [Self.web, Self.other]).apply(in: namespace)
        let chain = try OwnershipTests.chain("SVC", in: namespace)
        try namespace.tool(["iptables-nft", "-t", "nat", "-A", "OUTPUT", "-s", "10.9.9.9", "-g", chain])
        let services = [Self.web, Self.other]
        let plans = Desired(services: services).plans.services
        try Desired(services: services).observing(in: namespace) { reconciliation in
            for plan in plans {
                let fragment = reconciliation.backend.fragment(for: plan)
                reconciliation.state.unwant(fragment)
                let gone = try reconciliation.apply()
                #expect(!gone.isEmpty)
                reconciliation.state.want(fragment)
                let back = try reconciliation.apply()
                #expect(!back.isEmpty)
            }
        }
        #expect(try Desired(services: services).differences(in: namespace) == [])
    }

    @Test func cleanupNamesTheRuleThatKeepsAChain() throws {
        let namespace = try NetworkNamespace("cleanup")
        try Desired(services: [Self.web]).apply(in: namespace)
        try namespace.tool(["iptables-nft", "-t", "nat", "-I", "PREROUTING", "-j", "SVCCTL-SERVICES"])
        let error = #expect(throws: BackendError.self) {
            try namespace.run {
                var backend = IPTablesBackend(options: LayoutOptions())
                _ = try backend.removeAll()
            }
        }
        #expect(error?.kind == .refused)
        #expect(error?.message.contains("`iptables -t nat -A PREROUTING -j SVCCTL-SERVICES`") == true)
        #expect(try Desired(services: [Self.web]).differences(in: namespace) == [])
    }
}
