import DataplaneConformance
import DataplaneTestKit
import Testing

/// The suite that every backend passes, here on the chains of iptables. What each test is about stands in `DataplaneConformance`.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct ConformanceTests {
    @Test(.serialized, arguments: ConformanceTest.checklist) func checklist(_ test: ConformanceTest) throws {
        try pass(test)
    }
    @Test(.serialized, arguments: ConformanceTest.scenarios) func scenarios(_ test: ConformanceTest) throws {
        try pass(test)
    }

    /// What is left out is about schedulers that iptables does not have.
    @Test func littleIsLeftOut() {
        let left = ConformanceTest.checklist.filter { !$0.applies(to: IPTablesSubject()) }
        #expect(left.allSatisfy { $0.name.hasPrefix("scheduler ") && !$0.name.hasPrefix("scheduler random") })
    }

    private func pass(_ test: ConformanceTest) throws {
        guard test.applies(to: IPTablesSubject()) else { return }
        let failures = try test.failures(of: IPTablesSubject())
        let (count, first) = (failures.count, failures.prefix(20).joined(separator: "\n"))
        #expect(count == 0, "\(first)")
    }
}
