import Dataplane
import DataplaneTestKit
import NFTables
import NetAddress
import Testing

@testable import NFTablesBackend

/// What the kernel lacks is found by trying, and trying changes nothing.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ProbeTests {
    @Test(arguments: IPFamily.allCases) func thisKernelHasEverything(_ family: IPFamily) throws {
        let namespace = try NetworkNamespace("probe")
        let before = try ConvergenceTests.generation(namespace)
        let missing = try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.missing(KernelFeature.all(family), family)
        }
        #expect(missing == [])
        #expect(try ConvergenceTests.generation(namespace) == before, "nothing was committed")
        #expect(try namespace.tool(["nft", "list", "ruleset"]) == "")
    }

    /// An expression without the attributes that it must have is refused like one that the kernel does not know.
    @Test func namesWhatIsMissing() throws {
        let namespace = try NetworkNamespace("probe")
        let features = [
            KernelFeature.rule("redirection", [.other(name: "redir")]), .rule("verdicts", [.verdict(.accept)]),
            .rule("queues (module nft_queue)", [.other(name: "queue")]),
            .hooked("chains", Chain.Hook(kind: .filter, point: .input, priority: 0)),
        ]
        let missing = try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.missing(features, .ipv4)
        }
        #expect(missing.contains("queues (module nft_queue)"))
        #expect(!missing.contains("verdicts") && !missing.contains("chains"))
    }
}
