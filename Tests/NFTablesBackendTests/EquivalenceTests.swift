import Dataplane
import DataplaneConformance
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
    @Test(arguments: Scenarios.loadable)
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
        for scenario in Scenarios.listed {
            let namespace = try NetworkNamespace("listed")
            try scenario.desired.apply(in: namespace)
            #expect(try namespace.tool(["nft", "list", "ruleset"]).contains("update @affinity"))
            #expect(try scenario.desired.differences(in: namespace) == [])
        }
    }

    /// Stock nft reads its own listing of our tables, byte for byte.
    @Test(arguments: Scenarios.loadable)
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
    @Test(arguments: Scenarios.loadable + Scenarios.listed)
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
        let services = SampleServices.everything
        let reversed = services.reversed().map { service -> Service in
            var service = service
            service.endpoints.reverse()
            return service
        }
        #expect(Desired(services: services).script == Desired(services: Array(reversed)).script)
    }
}
