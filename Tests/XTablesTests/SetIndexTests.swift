import DataplaneTestKit
import NFTables
import NetAddress
import Testing

@testable import XTables

/// The numbers of sets, which are the kernel's.
@Suite struct SetIndexTests {
    @Test(
        .enabled(if: TestPrivilege.canMakeNamespaces), .enabled(if: XTCase.hasSets, "takes ip_set, xt_set and ipset"))
    func numbersAreRead() throws {
        let namespace = try NetworkNamespace("sets")
        try XTCase.makeSets(.ipv4, in: namespace)
        try namespace.run {
            let reader = try SetIndexReader()
            #expect(try reader.index(of: "WEB") == 0)
            #expect(try reader.index(of: "ABSENT") == nil)
            #expect(try reader.index(of: "") == nil)
            #expect(try reader.index(of: String(repeating: "x", count: 32)) == nil)
            #expect(try reader.name(of: 1) == "RANGES")
            #expect(try reader.name(of: 2) == nil)
            #expect(try reader.indices(of: ["RANGES", "ABSENT", "WEB", "WEB"]) == XTCase.indices)
            let rules = [
                XTRule([.set("RANGES", [.source], inverted: true)]), XTRule([], .mapMark(set: "WEB", [.source])),
                XTRule([.connectionIsNew], .accept),
            ]
            let observed = rules.map { $0.expressions(.ipv4, sets: XTCase.indices) }
            #expect(try reader.indices(in: observed) == XTCase.indices)
            #expect(try reader.indices(in: [[.match(name: "set", revision: 4, payload: [])]]) == SetIndices())
        }
        // After a swap, the numbers stay with the names.
        try namespace.tool(["ipset", "create", "NEWER", "hash:ip,port", "skbinfo"])
        try namespace.tool(["ipset", "swap", "WEB", "NEWER"])
        try namespace.run {
            let reader = try SetIndexReader()
            #expect(
                try reader.indices(of: ["WEB", "RANGES", "NEWER"]) == SetIndices(["WEB": 0, "RANGES": 1, "NEWER": 2]))
        }
    }

    /// A rule with a set that is not there is refused, and one whose set is not known is nobody's.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces), .enabled(if: XTCase.hasSets, "takes ip_set, xt_set and ipset"))
    func unknownSetsAreRefused() throws {
        let rule = XTRule([.set("WEB", [.destination, .destination])])
        try NetworkNamespace("sets").run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            let chain = XTTable.nat.chain("CASE", .ipv4)
            batch.add(XTTable.nat.table(.ipv4))
            batch.add(chain)
            batch.add(rule.rule(.ipv4), to: chain)
            do {
                try socket.commit(batch)
                Issue.record("the kernel took a set that is not there")
            } catch let error as TransactionError {
                #expect("\(error)".contains("ENOENT"), "\(error)")
            }
        }
        #expect(XTRule(rule.expressions(.ipv4, sets: XTCase.indices), .ipv4) == nil)
        #expect(XTRule(rule.expressions(.ipv4), .ipv4) == nil)
    }

    @Test func numbersAndNamesAreOneToOne() {
        var indices = SetIndices(["A": 1])
        indices["A"] = 2
        #expect(indices.name(of: 1) == nil && indices.name(of: 2) == "A" && indices["A"] == 2)
        indices["A"] = nil
        #expect(indices == SetIndices())
    }

    @Test func namesAreKnown() {
        let rule = XTRule(
            [.set("A", [.source]), .connectionIsNew, .set("B", [.source])], .mapMark(set: "C", [.source]))
        #expect(rule.setNames == ["A", "B", "C"])
        #expect(XTRule([.set(String(repeating: "x", count: 40), [.source])]).setNames.map(\.utf8.count) == [31])
    }
}
