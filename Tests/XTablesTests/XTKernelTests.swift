import DataplaneTestKit
import NFTables
import NetAddress
import Netlink
import Testing

@testable import XTables

/// Rules in the kernel: ours against those of the stock tools.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct XTKernelTests {
    /// Each case in a chain of its own, which a base chain where the kernel allows it leads to.
    struct Layout {
        let family: IPFamily
        let cases: [XTCase]

        init(_ family: IPFamily) {
            self.family = family
            cases = XTCase.cases(family)
        }

        func name(_ index: Int) -> String { "CASE-\(index)" }

        func base(_ test: XTCase) -> String {
            switch test.rule.target {
            case .masquerade: "POSTROUTING"
            default: test.table == .nat ? "PREROUTING" : "INPUT"
            }
        }

        func content(_ table: XTTable) -> XTTableContent {
            var content = XTTableContent(table, family, chains: [.init("OTHER")])
            for (index, test) in cases.enumerated() where test.table == table {
                content.chains.append(.init(name(index), [test.rule]))
            }
            let names = table == .nat ? ["PREROUTING", "POSTROUTING"] : ["INPUT"]
            for base in names {
                let jumps = cases.enumerated().filter { $0.element.table == table && self.base($0.element) == base }
                content.chains.append(.init(base, jumps.map { XTRule([], .jump(name($0.offset))) }))
            }
            return content
        }

        var contents: [XTTableContent] { XTTable.allCases.map(content) }

        var tool: String { family == .ipv4 ? "iptables-nft" : "ip6tables-nft" }

        /// The restore file that a person would write, with the cases' expected texts.
        var handwritten: String {
            XTTable.allCases.map { table in
                let content = content(table)
                let declared = content.chains.filter { !table.isBaseChain($0.name) }.map { ":\($0.name) - [0:0]\n" }
                let rules = cases.enumerated().filter { $0.element.table == table }.map {
                    "-A \(name($0.offset)) \($0.element.text)\n"
                }
                let jumps = cases.enumerated().filter { $0.element.table == table }.map {
                    "-A \(base($0.element)) -j \(name($0.offset))\n"
                }
                return "*\(table)\n\(declared.joined())\(rules.joined())\(jumps.joined())COMMIT\n"
            }.joined()
        }
    }

    static func load(_ contents: [XTTableContent], in namespace: NetworkNamespace) throws {
        try namespace.run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            for content in contents {
                batch.add(content.table.table(content.family))
                for chain in content.chains { batch.add(content.table.chain(chain.name, content.family)) }
                for chain in content.chains {
                    let place = content.table.chain(chain.name, content.family)
                    for rule in chain.rules { batch.add(rule.rule(content.family), to: place) }
                }
            }
            try socket.commit(batch)
        }
    }

    /// All rules of both tables: by table and chain, in order.
    static func rules(_ family: IPFamily, in namespace: NetworkNamespace) throws -> [String: [Rule]] {
        try namespace.run {
            var socket = try NFTablesSocket()
            var rules: [String: [Rule]] = [:]
            for table in XTTable.allCases {
                for rule in try socket.rules(of: table.table(family)) {
                    rules["\(table) \(rule.chain)", default: []].append(rule.rule)
                }
            }
            return rules
        }
    }

    /// What `iptables-save` prints, without comments and counts.
    static func saved(_ family: IPFamily, in namespace: NetworkNamespace) throws -> [String] {
        let tool = family == .ipv4 ? "iptables-nft-save" : "ip6tables-nft-save"
        return try namespace.tool([tool]).split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
    }

    /// The kernel gives the same back, byte for byte, for a rule of the stock tool and for ours.
    @Test(arguments: IPFamily.allCases) func equalsTheStockTool(_ family: IPFamily) throws {
        let layout = Layout(family)
        let theirs = try NetworkNamespace("theirs")
        try theirs.tool([layout.tool + "-restore"], input: layout.handwritten)
        let ours = try NetworkNamespace("ours")
        try Self.load(layout.contents, in: ours)
        let expected = try Self.rules(family, in: theirs)
        let actual = try Self.rules(family, in: ours)
        for (index, test) in layout.cases.enumerated() {
            let place = "\(test.table) \(layout.name(index))"
            #expect(actual[place]?.map(\.expressions) == [test.rule.expressions(family)], "\(test.text)")
            #expect(actual[place] == expected[place], "\(test.text)")
            #expect(expected[place]?.map { XTRule($0.expressions, family) } == [test.rule], "\(test.text)")
        }
        #expect(actual == expected)
    }
}
