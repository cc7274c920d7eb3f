import DataplaneConformance
import Dataplane
import DataplaneTestKit
import IPTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Others change the same tables at the same time.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ConcurrencyTests {
    /// A hundred commands and restores of iptables while services come and go: all of theirs is there in the end, in
    /// their order, and all of ours.
    @Test(arguments: IPFamily.allCases) func nobodyLosesRules(_ family: IPFamily) throws {
        let namespace = try NetworkNamespace("busy")
        let tool = Stock.tool(family)
        try namespace.tool([Stock.restore(family), "--noflush"], input: "*nat\n:THEIRS - [0:0]\nCOMMIT\n")
        let commands = """
            set -e
            for i in $(seq 40); do
                \(tool) -t nat -A PREROUTING -p tcp --dport $i -j THEIRS
                \(tool) -t nat -I THEIRS -p tcp --dport $i -j ACCEPT
                printf '*nat\\n-A THEIRS -p udp --dport %s -j RETURN\\nCOMMIT\\n' $i | \(tool)-restore --noflush
            done
            """
        let others = try RunningProgram(["sh", "-c", commands], in: namespace)
        try Self.changeServices(60, in: namespace)
        let result = try others.wait(timeout: .seconds(60))
        #expect(result.status == 0, "\(result.errors)")
        let saved = try Stock.saved(family, in: namespace)
        #expect(
            saved.filter { $0.hasPrefix("-A PREROUTING") && !$0.contains("SVCCTL") }
                == (1...40).map { "-A PREROUTING -p tcp -m tcp --dport \($0) -j THEIRS" })
        #expect(
            saved.filter { $0.hasPrefix("-A THEIRS") }
                == (1...40).reversed().map { "-A THEIRS -p tcp -m tcp --dport \($0) -j ACCEPT" }
                + (1...40).map { "-A THEIRS -p udp -m udp --dport \($0) -j RETURN" })
        #expect(try Desired(services: []).differences(in: namespace) == [])
    }

    /// Somebody flushes and deletes what we make, again and again: each change of ours succeeds all the same, and all
    /// is well once that has ended.
    @Test func flushesMeanwhileAreNoErrors() throws {
        let namespace = try NetworkNamespace("flushed")
        let commands = """
            for i in $(seq 40); do
                iptables-nft -t nat -F PREROUTING
                iptables-nft -t nat -F SVCCTL-SERVICES
                iptables-nft -t nat -F
                iptables-nft -t nat -X
                printf '*nat\\nCOMMIT\\n*filter\\nCOMMIT\\n' | iptables-nft-restore
                nft delete table ip6 nat
            done 2>/dev/null
            """
        let others = try RunningProgram(["sh", "-c", commands], in: namespace)
        try Self.changeServices(100, in: namespace)
        _ = try others.wait(timeout: .seconds(60))
        try Desired(services: []).apply(in: namespace)
        #expect(try Desired(services: []).differences(in: namespace) == [])
    }

    /// Lets two services come and go by turns, so that neither is left after a multiple of four changes.
    private static func changeServices(_ count: Int, in namespace: NetworkNamespace) throws {
        let planner = ServicePlanner(node: NodeFacts(nodeName: "node-a"))
        let services = [ConvergenceTests.web, ConvergenceTests.other].map(planner.plan)
        try Desired(services: []).observing(in: namespace) { reconciliation in
            for change in 0..<count {
                let fragment = reconciliation.backend.fragment(for: services[change % 2])
                if change / 2 % 2 == 0 {
                    reconciliation.state.want(fragment)
                } else {
                    reconciliation.state.unwant(fragment)
                }
                do { _ = try reconciliation.apply() } catch { Issue.record("change \(change): \(error)") }
            }
        }
    }
}
