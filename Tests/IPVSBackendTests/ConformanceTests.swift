import DataplaneConformance
import DataplaneTestKit
import Testing

/// The suite that every backend passes, here on IPVS. What each test is about stands in `DataplaneConformance`.
@Suite(
    .enabled(if: TestPrivilege.canMakeNamespaces, "needs root"),
    .enabled(if: KernelFeature.hasIPVS, "the kernel has no ip_vs; hack/vm has one that does"))
struct ConformanceTests {
    @Test(.serialized, arguments: ConformanceTest.checklist) func checklist(_ test: ConformanceTest) throws {
        try pass(test)
    }
    @Test(.serialized, arguments: ConformanceTest.scenarios) func scenarios(_ test: ConformanceTest) throws {
        try pass(test)
    }

    /// What is left out is what addresses that are the node's own cannot have, and memories of another kind.
    @Test func littleIsLeftOut() {
        let left = ConformanceTest.checklist.filter { !$0.applies(to: IPVSSubject()) }.map(\.name)
        #expect(left.count == 8, "\(left)")
    }

    private func pass(_ test: ConformanceTest) throws {
        guard test.applies(to: IPVSSubject()) else { return }
        let failures = try test.failures(of: IPVSSubject())
        let (count, first) = (failures.count, failures.prefix(20).joined(separator: "\n"))
        #expect(count == 0, "\(first)")
    }
}
