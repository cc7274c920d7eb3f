import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPVSBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// The dry run, without a kernel.
@Suite struct DryRunTests {
    /// The order of services and endpoints does not show.
    @Test(arguments: Scenarios.all) func doesNotDependOnOrder(_ scenario: Scenario) {
        var reversed = scenario.desired
        reversed.services = scenario.desired.services.reversed().map { service in
            var service = service
            service.endpoints.reverse()
            return service
        }
        for tool in LoadText.Tool.allCases { #expect(scenario.desired.input(tool) == reversed.input(tool)) }
    }

    /// Each tool's input follows a comment with its command, in the order of loading.
    @Test func sectionsNameTheirTools() {
        var load = LoadText(options: LayoutOptions())
        for service in Desired(services: SampleServices.everything).plans.services { load.add(service) }
        var text: [UInt8] = []
        load.writeSections(to: &text)
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        let commands = LoadText.Tool.allCases.map { "# " + $0.rawValue }
        #expect(lines.filter { commands.contains(String($0)) }.map(String.init) == commands)
        let expected = LoadText.Tool.allCases.map { Desired(services: SampleServices.everything).input($0) }.joined()
        #expect(lines.filter { !commands.contains(String($0)) } == expected.split(separator: "\n"))
    }

    /// Two services that share an address share its objects.
    @Test func sharedAddressesAreThereOnce() {
        let services = ["a", "b"].enumerated().map { index, name in
            Service.test(name, endpoints: ["10.244.1.2"]) {
                $0.externalIPs = ["203.0.113.7"]
                $0.ports[0].port += UInt16(index)
            }
        }
        let desired = Desired(services: services)
        #expect(desired.input(.ip).split(separator: "\n").count { $0.contains("203.0.113.7") } == 1)
        #expect(desired.input(.ipset).split(separator: "\n").count { $0.hasSuffix("ADDRESSES 203.0.113.7") } == 1)
        #expect(desired.input(.ipvsadm).split(separator: "\n").count == 4)
    }
}

extension WithKernel {
    /// What we write, what the stock tools write from the dry run, and what both read back, are the same.
    @Suite struct EquivalenceTests {
        @Test(arguments: Scenarios.all.suffix(2)) func dryRunLoadsToWhatApplyMakes(_ scenario: Scenario) throws {
            let loaded = try NetworkNamespace("loaded")
            let applied = try NetworkNamespace("applied")
            try scenario.desired.load(in: loaded)
            let added = try scenario.desired.apply(in: applied).added
            #expect(added > 30)
            let (one, other) = (try Stock.state(in: loaded), try Stock.state(in: applied))
            #expect(Set(one).symmetricDifference(other).sorted() == [])
            #expect(one.count == other.count)
            // We find nothing to change in what the tools made, nor in what we made.
            #expect(try scenario.desired.differences(in: loaded) == [])
            #expect(try scenario.desired.differences(in: applied) == [])
        }
    }
}
