public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import XTables
internal import RulesetAccess

// What the kernel has of ours, as the same typed values that lowering makes.

extension IPTablesBackend {
    public mutating func observe(into state: inout DeltaTracker<ObjectKey, ObjectValue>) throws(BackendError) {
        for attempt in 1...maximumAttempts {
            state.beginObservation()
            kernel = KernelMemory()
            session.generation = nil
            do {
                if try observeOnce(into: &state) { return }
                if attempt > maximumAttempts / 2 {
                    // Others never pause. What they change is hardly ever ours, and if it is, the kernel refuses a change
                    // that no longer fits, as a whole: go on without asking for a standstill.
                    session.generation = nil
                    return
                }
            } catch {
                guard error.isStale else { throw error.backendError }
            }
        }
        throw BackendError(.refused, Self.restless)
    }

    static var restless: String {
        "the ruleset keeps changing while it is read; is another program rewriting it all the time?"
    }

    /// One pass; false if somebody changed the ruleset meanwhile.
    private mutating func observeOnce(
        into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) throws(KernelError) -> Bool {
        let generation = try read { (socket) throws(NetlinkError) in try socket.generation() }
        for family in IPFamily.allCases {
            for table in try tables(family) {
                kernel.bases.insert(BasePlace(family: family, table: table, chain: nil))
                let content = try content(of: table, family)
                for (base, rules) in content.bases {
                    try Self.check(base, table)
                    observe(base, rules, table, family, into: &state)
                }
                let disowned = content.foreign.filter { state[.chain(family, table, $0.name)] != nil }
                for (name, rules) in disowned where !Self.isKept(name, rules, state[.chain(family, table, name)]) {
                    throw Self.foreignChain(family, table, name, rules)
                }
                let ours = disowned + content.ours
                let leftovers = ours.filter { $0.rules.isEmpty && state[.chain(family, table, $0.name)] == nil }
                // What others' rules lead to cannot go, and does no harm.
                let held = try holders(of: leftovers.map(\.name), among: ours.map(\.name), table, family).map(\.key)
                for (name, rules) in ours where !held.contains(.chain(family, table, name)) {
                    observe(name, rules, table, family, into: &state)
                }
            }
        }
        session.generation = try read { (socket) throws(NetlinkError) in try socket.generation() }
        return session.generation == generation
    }

    /// The tables of iptables that there are.
    mutating func tables(_ family: IPFamily) throws(KernelError) -> [XTTable] {
        let names = Set(try read { (socket) throws(NetlinkError) in try socket.tables(family) }.map(\.name))
        return XTTable.used.filter { names.contains($0.rawValue) }
    }

    /// Whether a chain of a single service has lost its mark to somebody, but kept a rule that it is to have.
    private static func isKept(_ name: String, _ rules: [FoundRule], _ desired: ObjectValue?) -> Bool {
        let expected = desired.rules
        return ChainName.isHashed(name) && rules.contains { expected.contains($0.rule) }
    }

    private static func foreignChain(
        _ family: IPFamily, _ table: XTTable, _ name: String, _ rules: [FoundRule]
    ) -> KernelError {
        let command = "\(family == .ipv4 ? "iptables" : "ip6tables") -t \(table.rawValue)"
        let rule = rules.first.map { $0.rule.text(family) } ?? ""
        return .foreign(
            "the chain \(name) of `\(command)` is there, but was not made by svcctl (no rule of it says so, the first is "
                + "`\(rule)`); remove it with `\(command) -F \(name)` and `-X \(name)` if nobody needs it")
    }

    // MARK: - Base chains

    /// Our jump is one rule among others; where it stands is the administrator's business. A rule with our mark that
    /// leads to us in another way was made by an older version, or changed by somebody.
    private mutating func observe(
        _ base: Chain, _ rules: [FoundRule], _ table: XTTable, _ family: IPFamily,
        into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) {
        kernel.bases.insert(BasePlace(family: family, table: table, chain: base.name))
        let key = ObjectKey.jump(family, table, base.name)
        let expected = Layout.jumps.first { $0.table == table && $0.base == base.name }.map { ChainRule.known($0.rule) }
        for observed in rules where observed.rule.isJumpOfOurs {
            if observed.rule == expected, kernel.jumpHandles[key] == nil {
                kernel.jumpHandles[key] = observed.handle
                state.observe(key, .rule(observed.rule))
            } else {
                state.observe(.stray(family, table, base.name, observed.handle), .rule(observed.rule))
            }
        }
    }

    /// A chain of a base chain's name that nothing calls, or at another place, is not what iptables makes.
    private static func check(_ chain: Chain, _ table: XTTable) throws(KernelError) {
        let expected = table.chain(chain.name, chain.family).hook
        guard let hook = chain.hook, hook.kind == expected?.kind, hook.point == expected?.point else {
            throw .foreign(
                "the chain \(chain.name) of the table \(chain.family == .ipv4 ? "ip" : "ip6") \(chain.table) is not what "
                    + "iptables makes: it has another type or hook")
        }
    }

    // MARK: - Our chains

    private mutating func observe(
        _ name: String, _ rules: [FoundRule], _ table: XTTable, _ family: IPFamily,
        into state: inout DeltaTracker<ObjectKey, ObjectValue>
    ) {
        let key = ObjectKey.chain(family, table, name)
        let known = rules.map(\.rule)
        guard let place = SharedPlace(table, name) else {
            state.observe(key, .chain(known))
            return
        }
        let mark = known.firstIndex(where: \.isMark) ?? known.endIndex
        state.observe(key, .chain(Array(known[mark...])))
        kernel.ownHandles[key] = rules[mark...].map(\.handle)
        for (rule, observed) in zip(known[..<mark], rules) {
            if let entry = rule.known.flatMap({ EntryKey($0, place, family) }), kernel.entryHandles[entry] == nil {
                kernel.entryHandles[entry] = observed.handle
                state.observe(.entry(entry), .rule(rule))
            } else {
                state.observe(.stray(family, table, name, observed.handle), .rule(rule))
            }
        }
    }
}
