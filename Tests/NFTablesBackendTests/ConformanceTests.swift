import DataplaneConformance
import DataplaneTestKit
import Testing

/// The suite that every backend passes, here on nf_tables. What each test is about stands in `DataplaneConformance`.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct ConformanceTests {
    @Test(arguments: ConformanceTest.policyMatrix) func policyMatrix(_ test: ConformanceTest) throws { try pass(test) }

    private func pass(_ test: ConformanceTest) throws {
        let failures = try test.failures(of: NFTablesSubject())
        #expect(failures.isEmpty, "\(failures.count): \(failures.prefix(20).joined(separator: "\n"))")
    }
}
