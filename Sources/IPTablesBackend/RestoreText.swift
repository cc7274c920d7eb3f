public import Dataplane
internal import NFTables
public import NetAddress
public import ServicePlan
internal import XTables

/// What stock tools load to get what an empty node would get: what a dry run prints.
///
/// The outcome depends on the services alone, not on their order.
public struct RestoreText: ~Copyable {
    private let backend: IPTablesBackend
    private var objects: [ObjectKey: ObjectValue] = [:]

    private struct Collector: ObjectCollector {
        var objects: [ObjectKey: ObjectValue]
        mutating func add(_ key: ObjectKey, _ value: ObjectValue) { objects[key] = value }
    }

    public init(options: LayoutOptions) {
        backend = IPTablesBackend(options: options)
        for (key, value) in backend.skeleton().objects { objects[key] = value }
    }

    /// Adds a service's objects.
    public mutating func add(_ service: PlannedService) {
        var collector = Collector(objects: [:])
        swap(&collector.objects, &objects)
        backend.lower(service, into: &collector)
        swap(&collector.objects, &objects)
    }

    /// The stock tool that loads a family's input, with the option that leaves others' rules alone.
    public static func command(_ family: IPFamily) -> String {
        (family == .ipv4 ? "iptables" : "ip6tables") + "-nft-restore --noflush"
    }

    /// Both families, each with a comment that names the tool that loads it.
    public func writeSections(to text: inout [UInt8]) {
        for family in IPFamily.allCases {
            text += "# \(Self.command(family))\n".utf8
            write(family, to: &text)
        }
    }

    /// The input for a family's tool.
    public func write(_ family: IPFamily, to text: inout [UInt8]) {
        for table in Layout.tables { content(table, family).writeRestore(to: &text) }
    }

    private func content(_ table: XTTable, _ family: IPFamily) -> XTTableContent {
        var chains: [(name: String, rules: [XTRule])] = []
        var entries: [String: [(key: EntryKey, rule: XTRule)]] = [:]
        var jumps: [String: XTRule] = [:]
        for (key, value) in objects where key.family == family {
            switch (key, value) {
            case (.chain(_, table, let name), .chain(let rules)):
                chains.append((name, rules.compactMap(\.known)))
            case (.entry(let key), .rule(.known(let rule))) where key.list.table == table:
                entries[key.chainName, default: []].append((key, rule))
            case (.jump(_, table, let base), .rule(.known(let rule))): jumps[base] = rule
            default: break
            }
        }
        let ours = chains.sorted { $0.name < $1.name }.map { name, rules in
            let shared = (entries[name] ?? []).sorted { $0.key < $1.key }.map(\.rule)
            return XTTableContent.Chain(name, shared + rules)
        }
        let bases = table.baseChains(family).compactMap { base in
            jumps[base.name].map { XTTableContent.Chain(base.name, [$0]) }
        }
        return XTTableContent(table, family, chains: ours + bases)
    }
}
