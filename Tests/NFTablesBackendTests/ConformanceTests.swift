import DataplaneConformance
import DataplaneTestKit
import Testing

/// The suite that every backend passes, here on nf_tables. What each test is about stands in `DataplaneConformance`.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ConformanceTests {
    @Test(.serialized, arguments: ConformanceTest.checklist) func checklist(_ test: ConformanceTest) throws {
        try pass(test)
    }
    @Test(.serialized, arguments: ConformanceTest.scenarios) func scenarios(_ test: ConformanceTest) throws {
        try pass(test)
    }

    /// Every test of the suite is one that this backend must pass.
    @Test func nothingIsLeftOut() {
        #expect(ConformanceTest.checklist.allSatisfy { $0.applies(to: NFTablesSubject()) })
    }

    private func pass(_ test: ConformanceTest) throws {
        let failures = try test.failures(of: NFTablesSubject())
        let (count, first) = (failures.count, failures.prefix(20).joined(separator: "\n"))
        #expect(count == 0, "\(first)")
    }
}
