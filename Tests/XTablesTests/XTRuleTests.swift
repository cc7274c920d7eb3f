import NFTables
import NetAddress
import Testing

@testable import XTables

@Suite struct XTRuleTests {
    @Test(arguments: IPFamily.allCases) func printsAsIptablesDoes(_ family: IPFamily) {
        for test in XTCase.cases(family) { #expect(test.rule.text(family) == test.text) }
    }

    @Test(arguments: IPFamily.allCases) func readsWhatItWrites(_ family: IPFamily) {
        for test in XTCase.cases(family) {
            #expect(
                XTRule(test.rule.expressions(family, sets: XTCase.indices), family, sets: XTCase.indices) == test.rule,
                "\(test.text)")
        }
    }

    /// Whatever names and texts are, a rule is one line, and each of them one word.
    @Test(arguments: ["a\nCOMMIT\n*raw", "a b", "a\"b", "\\", "'", "\" -j ACCEPT", "\u{0}x", "\r", "", "\u{7f}\t"])
    func textsStayWhereTheyAre(_ text: String) {
        let rule = XTRule(
            [
                .comment(text), .recentSet(name: text), .inputInterface(text),
                .rateAbove(perSecond: 1, burst: 1, name: text, expireMilliseconds: 1),
            ], .jump(text))
        let content = XTTableContent(.nat, .ipv4, chains: [.init("C", [rule])])
        var restore: [UInt8] = []
        content.writeRestore(to: &restore)
        let lines = String(decoding: restore, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 5)
        let words = Self.words(lines[2])
        #expect(words.count == 30, "\(lines[2])")
        #expect(XTRule(rule.expressions(.ipv4), .ipv4) == rule)
    }

    /// The words of a line of a restore file.
    private static func words(_ line: Substring) -> [String] {
        var words: [String] = []
        var word: String?
        var isQuoted = false
        var isEscaped = false
        for character in line.unicodeScalars {
            if isEscaped {
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
                word = word ?? ""
            } else if character == " ", !isQuoted {
                if let done = word { words.append(done) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        return words + (word.map { [$0] } ?? [])
    }

    /// Rules that the kernel cannot tell apart are equal.
    @Test func oneFormForOneMeaning() {
        let any = XTCase.block("0.0.0.0/0")
        #expect(XTRule([.source(any), .destination(any)]) == XTRule([]))
        #expect(XTRule([.transport(.tcp), .destinationPort(.tcp, 80)]) == XTRule([.destinationPort(.tcp, 80)]))
        #expect(
            XTRule([.comment("x"), .transport(.udp), .source(XTCase.block("10.0.0.0/8"))])
                == XTRule([.source(XTCase.block("10.0.0.0/8")), .transport(.udp), .comment("x")]))
        func rate(_ perSecond: UInt32) -> XTRule {
            XTRule([.rateAbove(perSecond: perSecond, burst: 5, name: "x", expireMilliseconds: 1000)])
        }
        #expect(rate(3000) == rate(3003))
        #expect(rate(0) == rate(1))
        #expect(rate(.max) == rate(1_000_000))
        #expect(XTRule([.statistic(probability: .max)]) == XTRule([.statistic(probability: 0x8000_0000)]))
        #expect(
            XTRule([.recentCheck(name: "x", seconds: 0, reap: true)])
                == XTRule([.recentCheck(name: "x", seconds: 0, reap: false)]))
    }

    /// Every rate that is kept reads back as itself.
    @Test func ratesReadBack() {
        for period in [1, 2, 3, 7, 333, 999, 1000, 1001, 1428, 142_857, 333_333, 500_000, 1_000_000] as [UInt32] {
            let rate = XTMatch.rate(period: period)
            #expect(XTMatch.rate(period: XTMatch.period(rate: rate)) == rate)
        }
    }

    /// Instructions that are cut short or have strange payloads are nobody's rule, and do no harm.
    @Test(arguments: IPFamily.allCases) func brokenInstructionsAreRefused(_ family: IPFamily) {
        for test in XTCase.cases(family) {
            let whole = test.rule.expressions(family, sets: XTCase.indices)
            for count in 0..<whole.count where whole[..<count].last != .counter {
                #expect(XTRule(Array(whole[..<count]), family, sets: XTCase.indices) == nil)
            }
            #expect(XTRule(whole + [.counter], family, sets: XTCase.indices) == nil)
            for (index, expression) in whole.enumerated() {
                var changed = whole
                switch expression {
                case .match(let name, let revision, let payload):
                    for length in [0, 1, 8, payload.count - 1] {
                        changed[index] = .match(
                            name: name, revision: revision, payload: Array(payload.prefix(length)))
                        #expect(XTRule(changed, family, sets: XTCase.indices) == nil || length == payload.count)
                    }
                    changed[index] = .match(name: name, revision: revision &+ 1, payload: payload)
                    #expect(XTRule(changed, family, sets: XTCase.indices) == nil)
                case .target(let name, let revision, let payload):
                    changed[index] = .target(name: name, revision: revision, payload: Array(payload.dropLast()))
                    #expect(XTRule(changed, family, sets: XTCase.indices) == nil)
                case .compare(let register, let comparison, _):
                    changed[index] = .compare(register, comparison, [])
                    #expect(XTRule(changed, family, sets: XTCase.indices) == nil)
                default: break
                }
            }
        }
    }
}
