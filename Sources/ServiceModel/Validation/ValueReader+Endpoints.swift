// What endpoints look like in both forms of definition.

extension ValueReader {
    /// The three conditions; one that is absent or null has its default.
    func conditions(_ node: NodeID, isLenient: Bool) -> EndpointConditions {
        guard isObject(node) else { return .ready }
        var conditions = EndpointConditions.ready
        for (key, value) in tree.members(of: node) {
            guard let field = field(key, of: ConditionField.table, isLenient: isLenient), !isNull(value),
                let isTrue = bool(value)
            else { continue }
            let condition: EndpointConditions =
                switch field {
                case .ready: .isReady
                case .serving: .isServing
                case .terminating: .isTerminating
                }
            if isTrue { conditions.insert(condition) } else { conditions.remove(condition) }
        }
        return conditions
    }

    /// `{"forZones": [{"name": "z1"}], "forNodes": [{"name": "node-a"}]}`
    func readHints(_ node: NodeID, into endpoint: inout Endpoint, isLenient: Bool) {
        guard isObject(node) else { return }
        for (key, value) in tree.members(of: node) {
            guard let field = field(key, of: HintField.table, isLenient: isLenient), !isNull(value) else { continue }
            guard isList(value) else { continue }
            var names: [String] = []
            var seen: Set<String> = []
            for element in tree.elements(of: value) where isObject(element) {
                guard let node = hintName(element, isLenient: isLenient) else { continue }
                let name = field == .forZones ? zone(node) : nodeName(node)
                if let name, seen.insert(name).inserted { names.append(name) }
            }
            if field == .forZones { endpoint.zoneHints = names } else { endpoint.nodeHints = names }
        }
    }

    private func hintName(_ node: NodeID, isLenient: Bool) -> NodeID? {
        var name: NodeID?
        for (key, value) in tree.members(of: node) {
            if field(key, of: HintEntryField.table, isLenient: isLenient) != nil, !isNull(value) { name = value }
        }
        if name == nil { fail(node, "a hint needs a name") }
        return name
    }
}
