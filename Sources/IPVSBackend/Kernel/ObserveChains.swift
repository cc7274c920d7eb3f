internal import Dataplane
internal import IPSet
internal import NFTables
internal import NetAddress
internal import Netlink
internal import RulesetAccess
internal import XTables

// Our chains in the tables of iptables.

/// A chain of ours, or a base chain that leads to us, as it was found.
struct FoundChain {
    let family: IPFamily
    let table: XTTable
    let chain: Chain
    let rules: [(handle: UInt64, rule: ChainRule)]

    var key: ObjectKey { .chain(family, table, chain.name) }
    var isOurs: Bool { chain.name.hasPrefix(ChainName.prefix) }
}

extension ChainRule {
    var isMark: Bool { hasComment(startingWith: Layout.markPrefix) }
    /// Whether the rule is one by which a base chain leads to ours.
    var isJumpOfOurs: Bool { isMark && destination?.hasPrefix(ChainName.prefix) == true }
}

extension IPVSBackend {
    /// Our chains, and base chains, chain by chain.
    mutating func foundChains() throws(KernelError) -> [FoundChain] {
        var found: [FoundChain] = []
        for family in IPFamily.allCases {
            let names = Set(try read { (socket) throws(NetlinkError) in try socket.tables(family) }.map(\.name))
            for table in Layout.tables where names.contains(table.rawValue) {
                let bases = Set(table.baseChains(family).map(\.name))
                let all = try read { (socket) throws(NetlinkError) in try socket.chains(of: table.table(family)) }
                for chain in all where bases.contains(chain.name) || chain.name.hasPrefix(ChainName.prefix) {
                    let leadsToUs = Layout.jumps.contains { $0.table == table && $0.base == chain.name }
                    let rules = leadsToUs || !bases.contains(chain.name) ? try rules(of: chain) : []
                    found.append(FoundChain(family: family, table: table, chain: chain, rules: rules))
                }
            }
        }
        return found
    }

    private mutating func rules(of chain: Chain) throws(KernelError) -> [(handle: UInt64, rule: ChainRule)] {
        let indices = try setIndices()
        return try read { (socket) throws(NetlinkError) in try socket.rules(of: chain) }.map {
            ($0.handle, ChainRule($0.rule, chain.family, sets: indices))
        }
    }

    /// The numbers by which rules refer to our sets; none where there are no sets.
    func setIndices() throws(KernelError) -> SetIndices {
        do throws(SetIndexError) {
            return try SetIndexReader().indices(of: SetID.all.map(\.name))
        } catch {
            // Without ip_set there are no sets.
            if error.missingModule != nil { return SetIndices() }
            throw .netlink(NetlinkError(errno: error.errno, operation: "asking for the numbers of our sets"))
        }
    }

    mutating func observeChains(into state: inout DeltaTracker<ObjectKey, ObjectValue>) throws(BackendError) {
        for attempt in 1...maximumAttempts {
            do {
                let generation = try read { (socket) throws(NetlinkError) in try socket.generation() }
                let found = try foundChains()
                try note(found, in: &state)
                let later = try read { (socket) throws(NetlinkError) in try socket.generation() }
                session.generation = later == generation ? generation : nil
                return
            } catch {
                guard error.isStale || error.isGone, attempt < maximumAttempts else { throw error.backendError }
            }
        }
    }

    private mutating func note(
        _ found: [FoundChain], in state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) {
        chains = ChainMemory()
        for content in found {
            chains.bases.insert(content.table, content.family)
            guard content.isOurs else {
                chains.bases.insert(content.chain, of: content.table)
                try BaseChains.check(content.chain, content.table)
                noteJumps(of: content, in: &state)
                continue
            }
            guard content.rules.isEmpty || content.rules.contains(where: \.rule.isMark) else {
                throw Self.foreignChain(content)
            }
            state.observe(content.key, .rules(content.rules.map(\.rule)))
        }
    }

    private mutating func noteJumps(of base: FoundChain, in state: inout DeltaTracker<ObjectKey, ObjectValue>) {
        let key = ObjectKey.jump(base.family, base.table, base.chain.name)
        let expected = Layout.jumps.first { $0.table == base.table && $0.base == base.chain.name }
            .map { ChainRule.known($0.rule) }
        for (handle, rule) in base.rules where rule.isJumpOfOurs {
            if rule == expected, chains.jumpHandles[key] == nil {
                chains.jumpHandles[key] = handle
                state.observe(key, .rules([rule]))
            } else {
                state.observe(.strayRule(base.family, base.table, base.chain.name, handle), .rules([rule]))
            }
        }
    }

    private static func foreignChain(_ found: FoundChain) -> KernelError {
        let command = "\(found.family == .ipv4 ? "iptables" : "ip6tables") -t \(found.table.rawValue)"
        return .foreign(
            "the chain \(found.chain.name) of `\(command)` is there, but was not made by svcctl (no rule of it says so); "
                + "remove it with `\(command) -F \(found.chain.name)` and `-X \(found.chain.name)` if nobody needs it")
    }
}
