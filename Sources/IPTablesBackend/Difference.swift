public import Dataplane
internal import NetAddress
internal import XTables

extension IPTablesBackend {
    public static func differences(in state: borrowing DeltaTracker<ObjectKey, ObjectValue>) -> [DifferenceLine] {
        var found: [(place: Place, lines: [DifferenceLine])] = []
        state.forEachDifference { key, desired, observed in
            found.append((Place(key), lines(key, desired, observed)))
        }
        return found.sorted { $0.place < $1.place }.flatMap(\.lines)
    }

    /// A chain that is there in part shows the rules that differ.
    private static func lines(_ key: ObjectKey, _ desired: ObjectValue?, _ observed: ObjectValue?) -> [DifferenceLine] {
        let command = (key.family == .ipv4 ? "iptables" : "ip6tables") + " -t "
        func line(_ change: DifferenceLine.Change, _ table: XTTable, _ chain: String, _ rule: ChainRule)
            -> DifferenceLine
        {
            let text = rule.text(key.family)
            return DifferenceLine(
                change: change, object: "\(command)\(table.rawValue) -A \(chain)\(text.isEmpty ? "" : " ")\(text)")
        }
        switch key {
        case .chain(_, let table, let name):
            let chain = DifferenceLine(
                change: desired == nil ? .remove : .add, object: "\(command)\(table.rawValue) -N \(name)")
            let rules = desired.rules.difference(from: observed.rules).map { change in
                switch change {
                case .remove(_, let rule, _): line(.remove, table, name, rule)
                case .insert(_, let rule, _): line(.add, table, name, rule)
                }
            }
            if observed == nil { return [chain] + rules }
            return desired == nil ? rules + [chain] : rules
        case .entry(let entry):
            return observed.rules.map { line(.remove, entry.list.table, entry.chainName, $0) }
                + desired.rules.map { line(.add, entry.list.table, entry.chainName, $0) }
        case .jump(_, let table, let name), .stray(_, let table, let name, _):
            return observed.rules.map { line(.remove, table, name, $0) }
                + desired.rules.map { line(.add, table, name, $0) }
        }
    }

    /// Chain by chain, base chains last.
    private struct Place: Comparable {
        let family: IPFamily
        let table: String
        let kind: Int
        let chain: String
        var entry: EntryKey?
        var handle: UInt64 = 0

        init(_ key: ObjectKey) {
            family = key.family
            switch key {
            case .chain(_, let table, let name): (self.table, kind, chain) = (table.rawValue, 0, name)
            case .entry(let entry):
                (table, kind, chain) = (entry.list.table.rawValue, 1, entry.chainName)
                self.entry = entry
            case .stray(_, let table, let name, let handle):
                (self.table, kind, chain) = (table.rawValue, 2, name)
                self.handle = handle
            case .jump(_, let table, let name): (self.table, kind, chain) = (table.rawValue, 3, name)
            }
        }

        static func < (left: Place, right: Place) -> Bool {
            let (a, b) = ((left.family, left.table, left.kind), (right.family, right.table, right.kind))
            if a != b { return a < b }
            if left.chain != right.chain { return left.chain < right.chain }
            if let one = left.entry, let other = right.entry { return one < other }
            return left.handle < right.handle
        }
    }
}

extension ObjectValue? {
    var rules: [ChainRule] {
        switch self {
        case .chain(let rules): rules
        case .rule(let rule): [rule]
        case nil: []
        }
    }
}
