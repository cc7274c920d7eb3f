public import Dataplane
public import NFTables
public import NetAddress
internal import Netlink
internal import RulesetAccess

extension NFTablesBackend {
    /// Our tables as the kernel has them now, with everything that others have put into them; nil if there are none.
    ///
    /// Sets of a form that no set of ours has are left out. Rules come as instructions, without their text.
    public mutating func actualRuleset(
        _ families: [IPFamily] = IPFamily.allCases
    ) throws(BackendError) -> Ruleset? {
        for attempt in 1...maximumAttempts {
            do {
                let pass = try readOnce(families)
                if pass.isUndisturbed || attempt > maximumAttempts / 2 && pass.isSound { return pass.ruleset }
            } catch {
                guard error.isStale else { throw error.backendError }
            }
        }
        throw BackendError(.refused, Self.restless)
    }

    private mutating func readOnce(
        _ families: [IPFamily]
    ) throws(KernelError) -> (ruleset: Ruleset?, isSound: Bool, isUndisturbed: Bool) {
        let generation = try read { (socket) throws(NetlinkError) in try socket.generation() }
        var contents: [Ruleset.Content] = []
        var isSound = true
        for family in families {
            let tables = try read { (socket) throws(NetlinkError) in try socket.tables(family) }
            guard let table = tables.first(where: { $0.name == Layout.table && $0.comment == Layout.mark }) else {
                continue
            }
            let chains = try read { (socket) throws(NetlinkError) in try socket.chains(of: table) }
            let rules = try read { (socket) throws(NetlinkError) in try socket.rules(of: table) }
            let rulesByChain = Dictionary(grouping: rules, by: \.chain)
            let (sets, areSound) = try readSets(table)
            isSound = isSound && areSound
            contents.append(
                Ruleset.Content(
                    table: table, sets: sets,
                    chains: chains.map { ($0, (rulesByChain[$0.name] ?? []).map(\.rule)) }))
        }
        let after = try read { (socket) throws(NetlinkError) in try socket.generation() }
        let ruleset = contents.isEmpty ? nil : Ruleset(tables: contents)
        return (ruleset, isSound, isSound && after == generation)
    }

    /// The kernel may repeat and leave out elements of a set that it is still enlarging, or that rules add to.
    private mutating func readSets(
        _ table: Table
    ) throws(KernelError) -> (sets: [(definition: SetDefinition, elements: [(ElementKey, ElementValue)])], Bool) {
        var result: [(definition: SetDefinition, elements: [(ElementKey, ElementValue)])] = []
        var isSound = true
        for set in try read({ (socket) throws(NetlinkError) in try socket.sets(of: table) }) where !set.isAnonymous {
            guard let definition = set.definition else { continue }
            var elements: [(ElementKey, ElementValue)] = []
            var seen: Set<ElementKey> = []
            var counted = 0
            try read { (socket) throws(NetlinkError) in
                try socket.elements(of: definition) { element in
                    if element.key != .catchAll { counted += 1 }
                    if definition.holdsRanges || seen.insert(element.key).inserted {
                        elements.append((element.key, element.value))
                    }
                }
            }
            // Elements with timeouts come and go by themselves, so that their number proves nothing.
            if let expected = set.count, expected != counted, !definition.isDynamic { isSound = false }
            result.append((definition, elements))
        }
        return (result, isSound)
    }
}
