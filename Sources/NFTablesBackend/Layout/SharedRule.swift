public import NetAddress
internal import NFTables
internal import ServiceModel

/// A rule that comes with the first service that needs it and goes with the last. Its chain holds nothing but such rules,
/// and their order there means nothing.
public enum SharedRule: Hashable, Sendable {
    /// Draws an endpoint from a map.
    case pick(SetID)
    /// Leads clients of a group of pools to where they were.
    case recall(SetID)
    /// Remembers the clients of those pools of a group that have the same timeout.
    case remember(SetID, group: UInt8)
    /// Forgets a client of a group of pools whose endpoint may not have it.
    case forget(SetID)
    /// Stops sources that have as many connections as some services allow.
    case limitConnections(SetID)
    /// Stops sources that open connections faster than some services allow.
    case limitRate(SetID)
    /// Leads a part of the pools to a chain of their own, so that none has to pass many others' rules.
    case turnGroup(IPFamily, group: UInt8)
    /// Gives the next endpoint of one pool: a rule has one counter, so that each pool needs its own.
    case turn(number: UInt32, SetID)

    public var family: IPFamily {
        switch self {
        case .pick(let set), .recall(let set), .remember(let set, _), .forget(let set), .limitConnections(let set),
            .limitRate(let set), .turn(_, let set):
            set.family
        case .turnGroup(let family, _): family
        }
    }

    /// The chain that it is in.
    var chain: String {
        switch self {
        case .pick(let set): set.role.pickingChain?.rawValue ?? ""
        case .recall: ChainName.remembered.rawValue
        case .remember: ChainName.updateAffinity.rawValue
        case .forget: ChainName.forget.rawValue
        case .limitConnections, .limitRate: ChainName.limitedSources.rawValue
        case .turnGroup: ChainName.turns.rawValue
        case .turn(let number, _): Self.turnChain(PoolGroup.turns(number))
        }
    }

    var rule: Rule { Rule(family, statements) }

    private var statements: [Statement] {
        switch self {
        case .pick(let map): return [.redirect(family, pickingKey(map), map: map.name)]
        case .turnGroup(_, let group):
            return [isIn(group, of: PoolGroup.turnCount), .verdict(.jump(Self.turnChain(group)))]
        case .turn(let number, let map):
            let key: [Field] = [.destinationAddress(family), .transportProtocol]
            return [
                .address(.destination, .equal, CIDR(PoolAddress.address(number, family))),
                .redirect(family, key + [.nextSlot(modulus: UInt32(map.slots))], map: map.name),
            ]
        case .recall(let map):
            return [
                isIn(map.group, of: PoolGroup.affinityCount), .redirect(family, map.definition.key, map: map.name),
            ]
        case .remember(let numbers, let group):
            return [
                isIn(group, of: PoolGroup.affinityCount), .member(numbers.definition.key, of: numbers.name),
                updateAffinity(.update, SetID.affinity(family, group: group), timeout: UInt32(numbers.parameter)),
            ]
        case .forget(let map):
            return [isIn(map.group, of: PoolGroup.affinityCount), updateAffinity(.delete, map)]
        case .limitConnections(let numbers):
            let connections = SetID(family, .connectionsBySource)
            return [
                .member(numbers.definition.key, of: numbers.name),
                .updateSet(
                    .add, connections.name, connections.definition.key, .connectionsOver(UInt32(numbers.parameter))),
                .verdict(.goto(ChainName.overLimit.rawValue)),
            ]
        case .limitRate(let numbers):
            let rates = SetID(family, .ratesBySource)
            let limit = RateLimits.limit(numbers.parameter)
            return [
                .member(numbers.definition.key, of: numbers.name),
                .updateSet(
                    .update, rates.name, rates.definition.key, timeout: limit.memorySeconds,
                    .rateOver(perSecond: UInt64(limit.perSecond), burst: limit.burst)),
                .verdict(.goto(ChainName.overLimit.rawValue)),
            ]
        }
    }

    private func isIn(_ group: UInt8, of count: UInt8) -> Statement {
        .lowBits(family, mask: count - 1, value: group)
    }

    private func updateAffinity(_ operation: SetOperation, _ map: SetID, timeout: UInt32 = 0) -> Statement {
        .updateSet(
            operation, map.name, Layout.clientKey(family), data: Layout.chosenEndpoint(family), timeout: timeout)
    }

    private func pickingKey(_ map: SetID) -> [Field] {
        guard map.role.isHashed else { return map.definition.key }
        return map.definition.key.dropLast() + [.sourceSlot(family, modulus: UInt32(map.parameter))]
    }
}

// MARK: - Turns

extension SharedRule {
    static func turnChain(_ group: UInt8) -> String { "\(ChainName.turns.rawValue)_\(group)" }

    /// Whether a chain holds rules of this kind, and nothing else.
    static func isShared(_ chain: String) -> Bool {
        if let name = ChainName(rawValue: chain) { return name.holdsSharedRules }
        let stem = ChainName.turns.rawValue + "_"
        guard chain.hasPrefix(stem), let group = UInt8(chain.dropFirst(stem.count)) else { return false }
        return group < PoolGroup.turnCount && chain == turnChain(group)
    }
}

// MARK: - From the kernel

extension SharedRule {
    /// The rule of ours that was found in a chain; nil if it is none.
    init?(_ rule: Rule, in chain: String, _ family: IPFamily) {
        guard let candidate = Self.candidate(rule, chain, family), candidate.chain == chain, candidate.rule == rule
        else {
            return nil
        }
        self = candidate
    }

    private static func candidate(_ rule: Rule, _ chain: String, _ family: IPFamily) -> SharedRule? {
        let compared: [UInt8]? =
            rule.expressions.lazy.compactMap { if case .compare(_, .equal, let bytes) = $0 { bytes } else { nil } }
            .first
        guard let set = rule.sets.first.flatMap({ SetID(family, name: $0) }) else {
            return compared?.last.map { .turnGroup(family, group: $0) }
        }
        switch set.role {
        case .affinity: return chain == ChainName.remembered.rawValue ? .recall(set) : .forget(set)
        case .affinityNumbers: return compared?.last.map { .remember(set, group: $0) }
        case .sourceConnectionLimits: return .limitConnections(set)
        case .rateLimits: return .limitRate(set)
        case .turnEndpoints:
            return compared.flatMap { $0.withUnsafeBytes { IPAddress(networkBytes: $0) } }.flatMap {
                PoolAddress.number($0)
            }
            .map { .turn(number: $0, set) }
        default: return set.role.pickingChain == nil ? nil : .pick(set)
        }
    }
}

extension SharedRule: Comparable {
    /// The order in which they are added and printed.
    public static func < (left: SharedRule, right: SharedRule) -> Bool { left.rank < right.rank }

    private var rank: (Int, Int, Int, Int) {
        switch self {
        case .pick(let set): (0, family == .ipv4 ? 0 : 1, Int(set.role.rawValue), set.parameter)
        case .recall(let set): (1, family == .ipv4 ? 0 : 1, 0, set.parameter)
        case .remember(let set, let group): (1, family == .ipv4 ? 0 : 1, set.parameter, Int(group))
        case .forget(let set): (1, family == .ipv4 ? 0 : 1, Int(UInt32.max), set.parameter)
        case .limitConnections(let set): (4, family == .ipv4 ? 0 : 1, set.parameter, 0)
        case .limitRate(let set):
            (
                5, family == .ipv4 ? 0 : 1, Int(RateLimits.limit(set.parameter).perSecond),
                Int(RateLimits.limit(set.parameter).burst)
            )
        case .turnGroup(_, let group): (2, family == .ipv4 ? 0 : 1, Int(group), 0)
        case .turn(let number, let set): (3, family == .ipv4 ? 0 : 1, Int(number), set.parameter)
        }
    }
}
