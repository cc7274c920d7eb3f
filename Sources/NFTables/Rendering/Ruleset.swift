internal import NetAddress

/// A whole ruleset as values: tables with everything in them, in the order in which it is made and printed.
public struct Ruleset: Sendable {
    /// A table and its content.
    public struct Content: Sendable {
        public var table: Table
        public var sets: [(definition: SetDefinition, elements: [(ElementKey, ElementValue)])]
        public var chains: [(chain: Chain, rules: [Rule])]

        public init(
            table: Table, sets: [(definition: SetDefinition, elements: [(ElementKey, ElementValue)])],
            chains: [(chain: Chain, rules: [Rule])]
        ) {
            self.table = table
            self.sets = sets
            self.chains = chains
        }
    }

    public var tables: [Content]

    public init(tables: [Content]) { self.tables = tables }
}

// MARK: - A script for `nft -f`

extension Ruleset {
    /// Appends the ruleset in nft's language.
    public func writeScript(to text: inout [UInt8]) {
        let elements = tables.reduce(0) { $0 + $1.sets.reduce(0) { $0 + $1.elements.count } }
        text.reserveCapacity(text.count + 16_384 + elements * 64)
        for content in tables {
            text += "table \(content.table.family.nftName) \(content.table.name) {\n".utf8
            if let comment = content.table.comment { text += "\tcomment \"\(comment)\"\n".utf8 }
            for (set, elements) in content.sets { Self.write(set, elements, to: &text) }
            for (chain, rules) in content.chains { Self.write(chain, rules, to: &text) }
            text += "}\n".utf8
        }
    }

    private static func write(
        _ set: SetDefinition, _ elements: [(ElementKey, ElementValue)], to text: inout [UInt8]
    ) {
        text += "\n\t\(set.kind) \(set.name) {\n\t\t\(set.typeText)\n".utf8
        if let size = set.size { text += "\t\tsize \(size)\n".utf8 }
        if !set.flagNames.isEmpty { text += "\t\tflags \(set.flagNames.joined(separator: ","))\n".utf8 }
        if let seconds = set.timeoutSeconds { text += "\t\ttimeout \(Statement.duration(seconds))\n".utf8 }
        if let expression = set.expression { text += "\t\t\(expression)\n".utf8 }
        if !elements.isEmpty {
            text += "\t\telements = {\n".utf8
            withUnsafeTemporaryAllocation(byteCount: SetDefinition.longestLine, alignment: 1) { memory in
                var line = TextCursor(memory)
                for (key, value) in elements {
                    line.put("\t\t\t" as StaticString)
                    set.write(key, value, to: &line)
                    line.put(",\n" as StaticString)
                    text.append(contentsOf: line.bytes)
                    line.reset()
                }
            }
            text += "\t\t}\n".utf8
        }
        text += "\t}\n".utf8
    }

    private static func write(_ chain: Chain, _ rules: [Rule], to text: inout [UInt8]) {
        text += "\n\tchain \(chain.name) {\n".utf8
        if let hook = chain.hook {
            text += "\t\ttype \(hook.kind.rawValue) hook \(hook.point) priority \(hook.priority); policy accept;\n".utf8
        }
        for rule in rules { text += "\t\t\(rule)\n".utf8 }
        text += "\t}\n".utf8
    }
}

// MARK: - The JSON of `nft -j list ruleset`

extension Ruleset {
    /// Appends the ruleset as `nft -j list ruleset` prints it, without the handles that the kernel gives.
    public func writeJSON(to text: inout [UInt8]) {
        text += "{\"nftables\": [{\"metainfo\": {\"json_schema_version\": 1}}".utf8
        for content in tables {
            let family: JSON = .string(content.table.family.nftName)
            let table: JSON = .string(content.table.name)
            Self.append(["table": ["family": family, "name": table]], to: &text)
            for (set, elements) in content.sets { Self.writeJSON(set, elements, to: &text) }
            for (chain, _) in content.chains { Self.append(["chain": Self.json(chain)], to: &text) }
            for (chain, rules) in content.chains {
                for rule in rules {
                    let statements = (rule.statements ?? []).map { $0.json(chain.family) }
                    Self.append(
                        [
                            "rule": [
                                "family": family, "table": table, "chain": .string(chain.name),
                                "expr": .array(statements),
                            ]
                        ], to: &text)
                }
            }
        }
        text += "]}\n".utf8
    }

    private static func append(_ object: JSON, to text: inout [UInt8]) {
        text += ", ".utf8
        object.write(to: &text)
    }

    private static func writeJSON(
        _ set: SetDefinition, _ elements: [(ElementKey, ElementValue)], to text: inout [UInt8]
    ) {
        var members: [JSON.Member] = [
            .init("family", .string(set.family.nftName)), .init("name", .string(set.name)),
            .init("table", .string(set.table)), .init("type", typeNames(set.key)),
        ]
        if let data = set.data {
            members.append(.init("map", .string(data.map(\.dataTypeName).joined(separator: " . "))))
        }
        if let size = set.size { members.append(.init("size", .number(Int(size)))) }
        // nft's JSON has no name for the flag "dynamic".
        let flags = set.flagNames.filter { $0 != "dynamic" }.map { JSON.string($0) }
        if !flags.isEmpty { members.append(.init("flags", .array(flags))) }
        if let seconds = set.timeoutSeconds { members.append(.init("timeout", .number(Int(seconds)))) }
        if !elements.isEmpty {
            // Ranges are listed in the order in which they were added.
            let isInOrder = set.holdsRanges || set.key.count == 1
            let listed = isInOrder ? elements : elements.sorted { $0.0.isListedBefore($1.0) }
            members.append(.init("elem", .array(listed.map { set.json(of: $0.0, $0.1) })))
        }
        if let expression = set.expression {
            members.append(.init("stmt", [expression == .counter ? ["counter": nil] : expression.json]))
        }
        append(.object([.init(set.kind, .object(members))]), to: &text)
    }

    private static func typeNames(_ fields: [Field]) -> JSON {
        let names = fields.map { JSON.string($0.dataTypeName) }
        return names.count == 1 ? names[0] : .array(names)
    }

    private static func json(_ chain: Chain) -> JSON {
        var members: [JSON.Member] = [
            .init("family", .string(chain.family.nftName)), .init("table", .string(chain.table)),
            .init("name", .string(chain.name)),
        ]
        if let hook = chain.hook {
            members += [
                .init("type", .string(hook.kind.rawValue)), .init("hook", .string(hook.point.description)),
                .init("prio", .number(Int(hook.priority))), .init("policy", "accept"),
            ]
        }
        return .object(members)
    }
}
