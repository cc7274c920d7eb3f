import DataplaneConformance
import Dataplane
import DataplaneTestKit
import NFTables
import NetAddress
import RulesetAccess
import ServicePlan
import Testing
import XTables

@testable import IPTablesBackend

/// What the kernel lacks is found by trying, and trying changes nothing.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ProbeTests {
    private static func extensions(_ family: IPFamily) -> Set<KernelExtension> {
        var found: Set<KernelExtension> = []
        for scenario in Scenarios.all {
            let backend = IPTablesBackend(options: scenario.desired.options)
            var fragment = backend.skeleton()
            for service in scenario.desired.plans.services {
                fragment.objects += backend.fragment(for: service).objects
            }
            for (key, value) in fragment.objects where key.family == family {
                found.formUnion(KernelExtension.needed(by: key, value))
            }
        }
        return found
    }

    @Test(arguments: IPFamily.allCases) func thisKernelHasEverything(_ family: IPFamily) throws {
        let extensions = Self.extensions(family)
        let names = Set(extensions.map(\.name))
        for name in [
            "bpf", "recent", "connlimit", "hashlimit", "statistic", "conntrack", "addrtype", "comment", "sctp",
        ] {
            #expect(names.contains("match \(name) (module xt_\(name))"))
        }
        for name in ["DNAT", "MARK", "MASQUERADE", "REJECT"] { #expect(names.contains("target \(name)")) }
        let namespace = try NetworkNamespace("probe")
        let before = try ConvergenceTests.generation(namespace)
        let missing = try namespace.run {
            var backend = IPTablesBackend(options: LayoutOptions())
            return try backend.missing(Array(extensions), family).map(\.name)
        }
        #expect(missing == [])
        #expect(try ConvergenceTests.generation(namespace) == before, "nothing was committed")
    }

    @Test func namesWhatIsMissing() throws {
        let absent: [Expression] = [
            .match(name: "absent", revision: 0, payload: [0, 0, 0, 0, 0, 0, 0, 0]),
            .match(name: "comment", revision: 9, payload: [UInt8](repeating: 0, count: 256)),
            XTRule([.connectionIsNew]).expressions(.ipv4)[0],
        ]
        let missing = try NetworkNamespace("probe").run {
            var backend = IPTablesBackend(options: LayoutOptions())
            return try backend.missing(absent.compactMap { KernelExtension($0, .filter) }, .ipv4).map(\.name)
        }
        #expect(missing == ["match absent (module xt_absent)", "match comment (module xt_comment)"])
    }
}
