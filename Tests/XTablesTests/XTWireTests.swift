import DataplaneTestKit
import NFTables
import NetAddress
import Testing

@testable import XTables

/// Our messages against those of iptables-nft 1.8.9, byte for byte on their way to the kernel. What the kernel gives back
/// lacks some of it: `NFTA_RULE_COMPAT`, and what extensions are given but keep no more.
@Suite(.enabled(if: NetlinkTrace.isPossible, "takes strace, and leave to trace processes")) struct XTWireTests {
    typealias Layout = XTKernelTests.Layout

    @Test(arguments: IPFamily.allCases) func restoringSendsTheSame(_ family: IPFamily) throws {
        let layout = Layout(family)
        let namespace = try layout.namespace("traced")
        let sent = try NetlinkTrace.rules(
            of: [layout.tool + "-restore"], input: layout.handwritten, in: namespace)
        for (index, test) in layout.cases.enumerated() {
            let theirs = sent.filter { $0.chain == layout.name(index) }
            Self.compare(theirs, with: test, layout.name(index), family)
        }
    }

    /// A single command sends what a restore does: one of each kind of match and target.
    @Test(arguments: IPFamily.allCases) func addingSendsTheSame(_ family: IPFamily) throws {
        let layout = Layout(family)
        let namespace = try layout.namespace("traced")
        for table in XTTable.allCases {
            let chains = layout.cases.indices.map { ":\(layout.name($0)) - [0:0]\n" }.joined()
            try namespace.tool(
                [layout.tool + "-restore"], input: "*\(table)\n:OTHER - [0:0]\n\(chains)COMMIT\n")
        }
        var seen: Set<String> = []
        for (index, test) in layout.cases.enumerated() {
            let words = test.text.split(separator: " ").map(String.init)
            // Quotes are a shell's business; a restore has shown those texts.
            guard !test.text.contains("\""), seen.insert(Self.kind(words)).inserted else { continue }
            let command = [layout.tool, "-t", "\(test.table)", "-A", layout.name(index)] + words
            let theirs = try NetlinkTrace.rules(of: command, in: namespace)
            Self.compare(theirs, with: test, layout.name(index), family)
        }
        #expect(seen.count > 20)
    }

    /// The options of a rule, without their values.
    private static func kind(_ words: [String]) -> String { words.filter { $0.hasPrefix("-") }.joined(separator: " ") }

    private static func compare(_ theirs: [RuleMessage], with test: XTCase, _ chain: String, _ family: IPFamily) {
        var batch = Batch(generation: nil)
        batch.add(test.rule.rule(family, sets: XTCase.indices), to: test.table.chain(chain, family))
        let ours = RuleMessage.all(in: batch.finished())
        guard theirs.count == 1, ours.count == 1, let their = theirs.first, let our = ours.first else {
            Issue.record("\(theirs.count) messages of theirs, \(ours.count) of ours for \(test.text)")
            return
        }
        // iptables tells the kernel what a rule has counted, for it may restore a count, and here always 0. The kernel
        // counts from 0 by itself (nft_counter_do_init), so that ours save 24 bytes a rule.
        let expected = their.attributes.map(\.withoutCounts)
        let difference = our.attributes.flatMap { $0.lines("") }.difference(from: expected.flatMap { $0.lines("") })
        #expect(our.header == their.header && our.attributes == expected, "\(test.text): \(Array(difference))")
        // `NLM_F_ACK` asks for an answer, and which message of a batch carries it is the sender's choice.
        #expect(our.flags | 4 == their.flags | 4, "\(test.text)")
    }
}
