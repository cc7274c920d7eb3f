internal import NFTables
internal import NetAddress
internal import Synchronization

/// The objects that services share and that come and go with them: maps, rules and chains. Made once for each set: every
/// service with so many slots shares them.
final class SharedObjects: Sendable {
    typealias Object = (key: ObjectKey, value: ObjectValue)

    private let known = Mutex<[SetID: [Object]]>([:])
    private let chains: [ChainName.Purpose: [IPFamily: [Object]]]

    init(_ layout: Layout) {
        var chains: [ChainName.Purpose: [IPFamily: [Object]]] = [:]
        for purpose in ChainName.Purpose.allCases {
            for family in IPFamily.allCases {
                chains[purpose, default: [:]][family] = Self.chains(for: purpose, family, layout)
            }
        }
        self.chains = chains
    }

    /// The objects that a service with elements in this set needs besides them.
    func objects(for set: SetID) -> [Object] {
        known.withLock { known in
            if let objects = known[set] { return objects }
            var objects: [Object] = [(.set(set.family, set.name), .set(set.definition))]
            if set.role.pickingChain != nil { objects.append(Self.object(.pick(set))) }
            switch set.role {
            case .affinity: objects += [Self.object(.recall(set)), Self.object(.forget(set))]
            case .sourceConnectionLimits: objects.append(Self.object(.limitConnections(set)))
            case .rateLimits: objects.append(Self.object(.limitRate(set)))
            default: break
            }
            known[set] = objects
            return objects
        }
    }

    /// The chains that something takes which not every service asks for.
    func chains(for purpose: ChainName.Purpose, _ family: IPFamily) -> [Object] { chains[purpose]?[family] ?? [] }

    private static func chains(
        for purpose: ChainName.Purpose, _ family: IPFamily, _ layout: Layout
    ) -> [Object] {
        ChainName.allCases.filter { $0.purpose == purpose }.flatMap { name -> [Object] in
            let chain: Object = (.chain(family, name.rawValue), .chain(name.chain(family)))
            if name.holdsSharedRules { return [chain] }
            return [chain, (.rules(family, name.rawValue), .rules(layout.rules(name, family)))]
        }
    }

    /// What remembers the clients of a pool, by its number and the set of those with its timeout.
    func memory(_ number: UInt32, _ numbers: SetID) -> [Object] {
        let group = PoolGroup.affinity(number)
        return chains(for: .affinity, numbers.family) + objects(for: .affinity(numbers.family, group: group))
            + [Self.object(.remember(numbers, group: group))]
    }

    /// What gives a pool its turns.
    static func turns(_ number: UInt32, _ map: SetID) -> [Object] {
        let group = PoolGroup.turns(number)
        let chain = Chain(family: map.family, table: Layout.table, name: SharedRule.turnChain(group))
        return [
            (.chain(map.family, chain.name), .chain(chain)), object(.turnGroup(map.family, group: group)),
            object(.turn(number: number, map)),
        ]
    }

    private static func object(_ rule: SharedRule) -> Object { (.sharedRule(rule), .rules([rule.rule])) }
}
