import DataplaneConformance
import Dataplane
import DataplaneTestKit
import NetAddress
import ServiceModel
import Testing

/// What we write, what the stock tools write from the dry run, and what both read back, are the same.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct EquivalenceTests {
    @Test(arguments: Scenarios.all)
    func dryRunLoadsToWhatApplyMakes(_ scenario: Scenario) throws {
        let loaded = try NetworkNamespace("loaded")
        let applied = try NetworkNamespace("applied")
        try scenario.desired.load(in: loaded)
        try scenario.desired.apply(in: applied)
        #expect(try Stock.saved(in: loaded) == Stock.saved(in: applied))
        // We find nothing to change in what the tools made, nor in what we made.
        #expect(try scenario.desired.differences(in: loaded) == [])
        #expect(try scenario.desired.differences(in: applied) == [])
        // A second time there is nothing to do.
        #expect(try scenario.desired.apply(in: applied).isEmpty)
    }

    /// The stock tools restore what they save of ours, and it is ours still.
    @Test(arguments: Scenarios.all)
    func savedRulesCanBeRestored(_ scenario: Scenario) throws {
        let applied = try NetworkNamespace("applied")
        try scenario.desired.apply(in: applied)
        let restored = try NetworkNamespace("restored")
        for family in IPFamily.allCases {
            let saved = try applied.tool([Stock.tool(family) + "-save"])
            try restored.tool([Stock.restore(family)], input: saved)
        }
        #expect(try Stock.saved(in: restored) == Stock.saved(in: applied))
        #expect(try scenario.desired.differences(in: restored) == [])
    }

    /// The order of services and endpoints does not show.
    @Test func dryRunDoesNotDependOnOrder() {
        let reversed = SampleServices.everything.reversed().map { service in
            var service = service
            service.endpoints.reverse()
            return service
        }
        for family in IPFamily.allCases {
            #expect(
                Desired(services: SampleServices.everything).input(family) == Desired(services: reversed).input(family))
        }
    }

    /// Names have our prefix and at most 28 characters, and comments name the services.
    @Test func chainsAndCommentsAreRecognisable() {
        let lines = Desired(services: SampleServices.limited).input(.ipv4).split(separator: "\n")
        let names = lines.filter { $0.hasPrefix(":") }.compactMap { $0.dropFirst().split(separator: " ").first }
        #expect(!names.isEmpty)
        #expect(names.allSatisfy { $0.utf8.count <= 28 && $0.hasPrefix("SVCCTL-") })
        #expect(
            lines.contains { $0.contains("-d 10.96.0.10/32") && $0.contains("\"test/cluster-tcp:web cluster IP\"") })
    }
}
