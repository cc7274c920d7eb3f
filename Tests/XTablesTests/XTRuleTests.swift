import NetAddress
import Testing

@testable import XTables

@Suite struct XTRuleTests {
    @Test(arguments: IPFamily.allCases) func printsAsIptablesDoes(_ family: IPFamily) {
        for test in XTCase.cases(family) { #expect(test.rule.text(family) == test.text) }
    }

    @Test(arguments: IPFamily.allCases) func readsWhatItWrites(_ family: IPFamily) {
        for test in XTCase.cases(family) {
            #expect(XTRule(test.rule.expressions(family), family) == test.rule, "\(test.text)")
        }
    }
}
