public import NetAddress

/// What one table of iptables is to have: whole chains, in the order in which they are made and printed.
public struct XTTableContent: Hashable, Sendable {
    public var family: IPFamily
    public var table: XTTable
    public var chains: [Chain]

    public init(_ table: XTTable, _ family: IPFamily, chains: [Chain] = []) {
        self.table = table
        self.family = family
        self.chains = chains
    }

    /// A chain and its rules.
    public struct Chain: Hashable, Sendable {
        public var name: String
        public var rules: [XTRule]

        public init(_ name: String, _ rules: [XTRule] = []) {
            self.name = name
            self.rules = rules
        }
    }

    /// Appends the input with which `iptables-nft-restore --noflush` or `ip6tables-nft-restore --noflush` makes the
    /// chains.
    ///
    /// Chains of ours are emptied first. Base chains are everybody's: their rules are added at their ends, and their
    /// policies are left alone.
    public func writeRestore(to text: inout [UInt8]) {
        text += "*\(table.rawValue)\n".utf8
        for chain in chains where !table.isBaseChain(chain.name) {
            text.append(UInt8(ascii: ":"))
            text.append(contentsOf: chain.name.utf8.filter { $0 > 0x20 && $0 != 0x7f })
            text += " - [0:0]\n".utf8
        }
        for chain in chains {
            for rule in chain.rules {
                text += "-A".utf8
                text.appendWord(chain.name)
                rule.write(to: &text, family)
                text.append(UInt8(ascii: "\n"))
            }
        }
        text += "COMMIT\n".utf8
    }
}
