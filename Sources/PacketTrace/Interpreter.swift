internal import NFTables
internal import NetAddress

/// Runs one packet through the hooks, and gathers what happens.
struct Interpreter {
    private let rules: RulesetIndex
    private let packet: Packet
    private let node: NodeView
    private let limits: LimitAssumption
    private let reports: Bool
    private var stages: [Stage] = []
    private var outcomes: [Outcome: Fraction] = [:]
    private var definitions: [String] = []
    private var notes: [String] = []
    private var metLimit = false
    private var lookups = 0
    /// A number that the denominators of all probabilities so far divide.
    private var denominator: UInt64 = 1
    /// Rules that were run; a ruleset that leads into itself ends by this.
    private var steps = 0

    init(_ rules: RulesetIndex, _ packet: Packet, _ node: NodeView, _ limits: LimitAssumption, reports: Bool) {
        self.rules = rules
        self.packet = packet
        self.node = node
        self.limits = limits
        self.reports = reports
    }

    consuming func path() -> PacketPath {
        if packet.origin == .interface(nil), rules.asksForInterfaces {
            notes.append("the interface is not known (--via), so that rules about interfaces may not match")
        }
        let start = [World(probability: .one, state: PacketState(packet))]
        if packet.origin == .node { leave(start) } else { arrive(start) }
        let sorted = outcomes.map { (outcome: $0.key, probability: $0.value) }.sorted { left, right in
            if left.probability != right.probability { return left.probability > right.probability }
            return left.outcome.sorting < right.outcome.sorting
        }
        return PacketPath(
            packet: packet, stages: stages, outcomes: sorted, definitions: definitions, notes: notes,
            metLimit: metLimit, lookups: lookups)
    }

    // MARK: The packet path

    /// From outside: the routing decision comes after destination NAT.
    private mutating func arrive(_ worlds: [World]) {
        let routed = call(.prerouting, worlds)
        deliver(call(.input, routed.filter { isLocal($0) }))
        deliver(call(.postrouting, call(.forward, routed.filter { !isLocal($0) })))
    }

    /// From a process: what stays on the node comes in again through the loopback interface, with its connection known.
    private mutating func leave(_ worlds: [World]) {
        let sent = call(.postrouting, call(.output, worlds))
        deliver(sent.filter { !isLocal($0) })
        let looped = sent.filter { isLocal($0) }.map { world in
            var world = world
            world.state.inputInterface = PacketState.interfaceBytes("lo")
            return world
        }
        deliver(call(.input, call(.prerouting, looped)))
    }

    private func isLocal(_ world: World) -> Bool { world.state.destination.map(node.isLocal) ?? false }

    private mutating func deliver(_ worlds: [World]) {
        for world in worlds { end(world, outcome(world.state)) }
    }

    private mutating func end(_ world: World, _ outcome: Outcome) {
        outcomes[outcome, default: .zero] += world.probability
        lookups = max(lookups, world.lookups)
    }

    private func outcome(_ state: PacketState) -> Outcome {
        let isMasqueraded = state.connection?.isMasqueraded ?? false
        guard let address = state.destination, let port = state.destinationPort else { return .unchanged }
        let destination = SocketAddress(address, port)
        if destination == packet.destination, !isMasqueraded { return .unchanged }
        return .delivered(to: destination, masqueraded: isMasqueraded)
    }

    // MARK: Hooks

    /// Calls everything at a hook; returns the worlds in which the packet goes on.
    private mutating func call(_ point: Chain.Point, _ worlds: [World]) -> [World] {
        var worlds = worlds
        for entry in rules.entries(point, packet.family) where !worlds.isEmpty {
            switch entry {
            case .tracking:
                for index in worlds.indices where worlds[index].state.connection == nil {
                    worlds[index].state.connection = Connection(worlds[index].state)
                }
            case .filter(let table, let chain): worlds = run(base: chain, table, point, worlds)
            case .translation(let chains): worlds = translate(chains, point, worlds)
            }
        }
        return worlds
    }

    /// NAT is decided once for each connection; where no rule decides, the kernel decides that nothing changes.
    private mutating func translate(
        _ chains: [(table: TableIndex, chain: Chain)], _ point: Chain.Point, _ worlds: [World]
    ) -> [World] {
        let done = point.translatesDestinations ? Connection.destinationNATDone : Connection.sourceNATDone
        func isDone(_ world: World) -> Bool { (world.state.connection?.status ?? done) & done != 0 }
        var decided = worlds.filter(isDone)
        var open = worlds.filter { !isDone($0) }
        for (table, chain) in chains where !open.isEmpty {
            let passed = run(base: chain, table, point, open)
            decided += passed.filter(isDone)
            open = passed.filter { !isDone($0) }
        }
        for index in open.indices { open[index].state.connection?.status |= done }
        return (decided + open).merged
    }

    private mutating func run(
        base chain: Chain, _ table: TableIndex, _ point: Chain.Point, _ worlds: [World]
    ) -> [World] {
        guard let hook = chain.hook else { return worlds }
        let result = run(chain.name, Place(table: table, point: point, kind: hook.kind), worlds, depth: 0)
        if !hook.acceptsByDefault { for world in result.passed { end(world, .dropped) } }
        if reports {
            stages.append(
                Stage(
                    point: point, table: table.table.name, chain: chain.name, kind: hook.kind,
                    probability: worlds.probability, steps: result.steps,
                    droppedByPolicy: hook.acceptsByDefault ? .zero : result.passed.probability))
        }
        return (hook.acceptsByDefault ? result.accepted + result.passed : result.accepted).merged
    }

    // MARK: Chains

    /// From where chains are called.
    private struct Place {
        let table: TableIndex
        let point: Chain.Point
        let kind: Chain.Kind
    }

    private struct ChainResult {
        /// Worlds in which the chain ended without a verdict.
        var passed: [World] = []
        var accepted: [World] = []
        var steps: [Step] = []
    }

    /// More than the kernel's `NFT_JUMP_STACK_SIZE`, which is 16, since `goto` counts here too.
    private static let deepest = 32
    private static let mostSteps = 100_000

    private mutating func run(_ name: String, _ place: Place, _ worlds: [World], depth: Int) -> ChainResult {
        var result = ChainResult()
        guard let rules = place.table.chains[name]?.rules, depth <= Self.deepest else {
            note("the chain \(name) \(depth > Self.deepest ? "leads into itself" : "is not there")")
            result.passed = worlds
            return result
        }
        var worlds = worlds
        for (index, rule) in rules.enumerated() where !worlds.isEmpty {
            steps += 1
            guard steps <= Self.mostSteps else {
                note("the rules lead on and on; the rest was left out")
                break
            }
            let entered = reports ? worlds.probability : .zero
            var run = RuleRun(context(place), worlds)
            run.run(rule)
            gather(run)
            let matched = reports ? run.live.probability : .zero
            worlds = run.stopped
            let children = proceed(run, place, depth, &worlds, &result)
            guard reports else { continue }
            result.steps.append(
                Step(
                    chain: name, number: index + 1, rule: rule.description, probability: entered, matched: matched,
                    findings: run.findings, children: children))
        }
        result.passed = (result.passed + worlds).merged
        return result
    }

    private func context(_ place: Place) -> RuleContext {
        RuleContext(
            table: place.table, family: packet.family, point: place.point, kind: place.kind, node: node,
            limits: limits, denominator: denominator, reports: reports)
    }

    /// Does what the rule's end says; returns the steps in the chain that it leads to.
    private mutating func proceed(
        _ run: RuleRun, _ place: Place, _ depth: Int, _ worlds: inout [World], _ result: inout ChainResult
    ) -> [Step] {
        let live = run.live.merged
        var children: [Step] = []
        switch run.end {
        case .nextRule: worlds += live
        case .accept: result.accepted += live
        case .drop: for world in live { end(world, .dropped) }
        case .refuse: for world in live { end(world, .refused) }
        case .returning: result.passed += live
        case .jump(let chain) where !live.isEmpty:
            let inner = self.run(chain, place, live, depth: depth + 1)
            worlds += inner.passed
            result.accepted += inner.accepted
            children = inner.steps
        case .goto(let chain) where !live.isEmpty:
            let inner = self.run(chain, place, live, depth: depth + 1)
            result.passed += inner.passed
            result.accepted += inner.accepted
            children = inner.steps
        case .jump, .goto: break
        }
        worlds = worlds.merged
        for world in worlds + live { widenDenominator(world.probability) }
        return children
    }

    private mutating func widenDenominator(_ probability: Fraction) {
        guard denominator % probability.denominator != 0 else { return }
        denominator = Fraction.commonDenominator(denominator, probability.denominator) ?? denominator
    }

    // MARK: Gathering

    private mutating func gather(_ run: RuleRun) {
        metLimit = metLimit || run.metLimit
        for definition in run.definitions where !definitions.contains(definition) { definitions.append(definition) }
        for text in run.notes { note(text) }
    }

    private mutating func note(_ text: String) {
        if !notes.contains(text) { notes.append(text) }
    }
}

extension Outcome {
    /// An order for outcomes of the same probability.
    fileprivate var sorting: String {
        switch self {
        case .delivered(let address, let masqueraded):
            let bytes =
                address.address.networkBytes + [UInt8(address.port >> 8), UInt8(truncatingIfNeeded: address.port)]
            return bytes.map { "\(UInt16($0) + 100)" }.joined() + "\(masqueraded)"
        case .unchanged: return "a"
        case .refused: return "b"
        case .dropped: return "c"
        }
    }
}
