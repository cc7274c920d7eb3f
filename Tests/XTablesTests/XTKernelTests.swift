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
            cases = XTCase.cases(family).filter(\.isPossible)
        }

        /// A new namespace with the sets that cases refer to.
        func namespace(_ name: String) throws -> NetworkNamespace {
            let namespace = try NetworkNamespace(name)
            if XTCase.hasSets { try XTCase.makeSets(family, in: namespace) }
            return namespace
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
                    for rule in chain.rules {
                        batch.add(rule.rule(content.family, sets: XTCase.indices), to: place)
                    }
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
        let theirs = try layout.namespace("theirs")
        try theirs.tool([layout.tool + "-restore"], input: layout.handwritten)
        let ours = try layout.namespace("ours")
        try Self.load(layout.contents, in: ours)
        let expected = try Self.rules(family, in: theirs)
        let actual = try Self.rules(family, in: ours)
        for (index, test) in layout.cases.enumerated() {
            let place = "\(test.table) \(layout.name(index))"
            #expect(
                actual[place]?.map(\.expressions) == [test.rule.expressions(family, sets: XTCase.indices)],
                "\(test.text)")
            #expect(actual[place] == expected[place], "\(test.text)")
            #expect(
                expected[place]?.map { XTRule($0.expressions, family, sets: XTCase.indices) } == [test.rule],
                "\(test.text)")
        }
        #expect(actual == expected)
    }

    /// `iptables-save` prints our texts; what it prints makes the same rules, and so does what we print for its restore.
    @Test(arguments: IPFamily.allCases) func theStockToolSavesAndRestores(_ family: IPFamily) throws {
        let layout = Layout(family)
        let ours = try layout.namespace("ours")
        try Self.load(layout.contents, in: ours)
        let saved = try Self.saved(family, in: ours)
        for (index, test) in layout.cases.enumerated() {
            let line = ["-A \(layout.name(index))", test.text].filter { !$0.isEmpty }.joined(separator: " ")
            #expect(saved.contains(line), "\(line)")
        }
        let expected = try Self.rules(family, in: ours)

        let restored = try layout.namespace("restored")
        try restored.tool([layout.tool + "-restore"], input: saved.joined(separator: "\n") + "\n")
        #expect(try Self.rules(family, in: restored) == expected)

        let printed = try layout.namespace("printed")
        var text: [UInt8] = []
        for content in layout.contents { content.writeRestore(to: &text) }
        try printed.tool([layout.tool + "-restore", "--noflush"], input: String(decoding: text, as: UTF8.self))
        #expect(try Self.rules(family, in: printed) == expected)
        #expect(try Self.saved(family, in: printed) == saved)
    }

    /// Base chains are what the stock tool makes, and it goes on with ours as with its own.
    @Test(arguments: IPFamily.allCases) func theStockToolTakesOverTables(_ family: IPFamily) throws {
        let tool = Layout(family).tool
        let theirs = try NetworkNamespace("theirs")
        let ours = try NetworkNamespace("ours")
        for table in XTTable.allCases {
            for chain in table.baseChains(family) {
                try theirs.tool([tool, "-t", table.rawValue, "-A", chain.name])
            }
        }
        try Self.load(
            XTTable.allCases.map { table in
                XTTableContent(table, family, chains: table.baseChains(family).map { .init($0.name, [XTRule([])]) })
            }, in: ours)
        #expect(try Self.chains(family, in: ours) == Self.chains(family, in: theirs))
        #expect(try Self.saved(family, in: ours) == Self.saved(family, in: theirs))
        for table in XTTable.allCases {
            try ours.tool([tool, "-t", table.rawValue, "-N", "THEIRS"])
            for chain in table.baseChains(family) {
                let listing = try ours.toolResult([tool, "-t", table.rawValue, "-L", chain.name])
                #expect(listing.status == 0)
                #expect(!listing.errors.contains("incompatible"))
                try ours.tool([tool, "-t", table.rawValue, "-I", chain.name, "-j", "THEIRS"])
                try ours.tool([tool, "-t", table.rawValue, "-D", chain.name, "2"])
            }
        }
        let left = try Self.rules(family, in: ours)
        #expect(left.count == 12)
        #expect(left.values.allSatisfy { $0 == [XTRule([], .jump("THEIRS")).rule(family)] })
    }

    static func chains(_ family: IPFamily, in namespace: NetworkNamespace) throws -> [Set<Chain>] {
        try namespace.run {
            var socket = try NFTablesSocket()
            return try XTTable.allCases.map { Set(try socket.chains(of: $0.table(family))) }
        }
    }

    /// A restore leaves alone what other chains and the base chains have.
    @Test func restoringKeepsWhatIsThere() throws {
        let namespace = try NetworkNamespace("shared")
        try namespace.tool(
            ["iptables-nft-restore"],
            input: """
                *filter
                :INPUT DROP [0:0]
                :FORWARD ACCEPT [0:0]
                :OUTPUT ACCEPT [0:0]
                :THEIRS - [0:0]
                :OURS - [0:0]
                -A INPUT -j THEIRS
                -A OURS -j DROP
                COMMIT

                """)
        var text: [UInt8] = []
        XTTableContent(
            .filter, .ipv4, chains: [.init("OURS", [XTRule([], .accept)]), .init("INPUT", [XTRule([], .jump("OURS"))])]
        ).writeRestore(to: &text)
        try namespace.tool(["iptables-nft-restore", "--noflush"], input: String(decoding: text, as: UTF8.self))
        #expect(
            try Self.saved(.ipv4, in: namespace) == [
                "*filter", ":INPUT DROP [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":OURS - [0:0]",
                ":THEIRS - [0:0]", "-A INPUT -j THEIRS", "-A INPUT -j OURS", "-A OURS -j ACCEPT", "COMMIT",
            ])
    }

    /// Rules go to a chain's start, before a rule, and in the place of one.
    @Test func rulesArePutInPlaces() throws {
        @Sendable func rule(_ name: String) -> Rule { XTRule([.comment(name)]).rule(.ipv4) }
        let chain = XTTable.nat.chain("PLACES", .ipv4)
        try NetworkNamespace("places").run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            batch.add(XTTable.nat.table(.ipv4))
            batch.add(chain)
            batch.add(rule("b"), to: chain)
            batch.add(rule("d"), to: chain)
            batch.insert(rule("a"), atStartOf: chain)
            try socket.commit(batch)
            let handles = try socket.rules(of: XTTable.nat.table(.ipv4)).map(\.handle)
            try #require(handles.count == 3)
            batch = Batch(generation: nil)
            batch.add(rule("c"), to: chain, before: handles[2])
            batch.replace(handles[1], with: rule("B"), in: chain)
            batch.deleteRules(of: chain, handle: handles[0])
            try socket.commit(batch)
            let rules = try socket.rules(of: XTTable.nat.table(.ipv4)).map(\.rule)
            #expect(rules == ["B", "c", "d"].map(rule))
            #expect(try socket.rules(of: chain).map(\.rule) == rules)
            #expect(try socket.rules(of: XTTable.nat.chain("ABSENT", .ipv4)).isEmpty)
        }
    }

    /// What an extension or a place that the kernel does not have looks like.
    @Test func refusalsName() throws {
        let absent = Rule(
            [.match(name: "absent", revision: 0, payload: [0, 0, 0, 0, 0, 0, 0, 0]), .counter],
            compatibility: .init(protocolNumber: 0))
        let absentTarget = Rule(
            [.counter, .target(name: "ABSENT", revision: 0, payload: [0, 0, 0, 0, 0, 0, 0, 0])],
            compatibility: .init(protocolNumber: 0))
        let newer = Rule(
            [.match(name: "comment", revision: 9, payload: [UInt8](repeating: 0, count: 256)), .counter],
            compatibility: .init(protocolNumber: 0))
        let shorter = Rule(
            [.match(name: "comment", revision: 0, payload: [UInt8](repeating: 0, count: 128)), .counter],
            compatibility: .init(protocolNumber: 0))
        let rejecting = XTRule([], .reject).rule(.ipv4)
        let masquerading = XTRule([], .masquerade(isRandom: true)).rule(.ipv4)
        for (rule, errno, name) in [
            (absent, "ENOENT", "absent"), (absentTarget, "ENOENT", "ABSENT"), (newer, "ENOENT", "comment"),
            (shorter, "EINVAL", "comment"), (rejecting, "EINVAL", "REJECT"), (masquerading, "EINVAL", "MASQUERADE"),
        ] {
            try NetworkNamespace("refused").run {
                var socket = try NFTablesSocket()
                var batch = Batch(generation: nil)
                batch.add(XTTable.nat.table(.ipv4))
                let chain = XTTable.nat.chain("PREROUTING", .ipv4)
                batch.add(chain)
                batch.add(rule, to: chain)
                do {
                    try socket.commit(batch)
                    Issue.record("the kernel took \(rule)")
                } catch let error as TransactionError {
                    #expect("\(error)".contains(errno), "\(error)")
                    #expect("\(error)".contains(name), "\(error)")
                }
            }
        }
    }

    /// Rules of others that look much like ours are not taken for ours, but those that are the same are.
    @Test func foreignRulesAreNotOurs() throws {
        let namespace = try NetworkNamespace("foreign")
        let foreign = [
            "-p icmp", "! -p tcp", "-p tcp -m tcp --sport 80", "-p tcp -m tcp --dport 80:90", "-o eth0",
            "-p tcp -m multiport --dports 80,81", "-m mark ! --mark 0x1/0x1 -m connmark --mark 0x1",
            "-m conntrack --ctstate NEW,RELATED", "-m conntrack ! --ctstate NEW",
            "-m statistic --mode nth --every 2 --packet 0",
            "-m statistic --mode random ! --probability 0.5", "-m addrtype --dst-type BROADCAST",
            "-m addrtype --dst-type LOCAL --src-type LOCAL", "-m addrtype --dst-type LOCAL --limit-iface-in",
            "-m recent --update --name x --rsource", "-m recent --set --name x --rdest",
            "-m recent --rcheck --seconds 5 --hitcount 2 --name x --rsource", "-m connlimit --connlimit-upto 3",
            "-m connlimit --connlimit-above 3 --connlimit-daddr",
            "-m hashlimit --hashlimit-upto 3/sec --hashlimit-mode srcip --hashlimit-name a",
            "-m hashlimit --hashlimit-above 3/sec --hashlimit-mode dstip --hashlimit-name b",
            "-m hashlimit --hashlimit-above 3/min --hashlimit-mode srcip --hashlimit-name c",
            "-p sctp -m sctp --sport 80", "-p sctp -m sctp ! --dport 80", "-j LOG", "-j MARK --or-mark 0x1 -p icmp",
            "-p tcp -j DNAT --to-destination 10.0.0.1", "-p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.9:80",
            "-p tcp -j DNAT --to-destination 10.0.0.1:80 --random", "-p tcp -j REDIRECT --to-ports 80",
        ]
        let rules = foreign.map { "-A FOREIGN \($0)\n" }.joined()
        try namespace.tool(["iptables-nft-restore"], input: "*nat\n:FOREIGN - [0:0]\n\(rules)COMMIT\n")
        let observed = try Self.rules(.ipv4, in: namespace)["nat FOREIGN"] ?? []
        #expect(observed.count == foreign.count)
        for (text, rule) in zip(foreign, observed) {
            #expect(XTRule(rule.expressions, .ipv4) == nil, "\(text)")
        }
    }
}
