internal import NFTables
internal import NetAddress

/// What a rule leads to when its end is reached.
enum RuleEnd: Hashable {
    case nextRule
    case accept
    case drop
    case refuse
    case returning
    case jump(String)
    case goto(String)
}

/// Where a rule runs.
struct RuleContext {
    let table: TableIndex
    let family: IPFamily
    let point: Chain.Point
    let kind: Chain.Kind
    let node: NodeView
    let limits: LimitAssumption
    /// A number that the denominators of all probabilities so far divide.
    let denominator: UInt64
    /// Whether to say what is found out and done.
    let reports: Bool
}

/// One rule, run for all ways that things may have gone so far, instruction by instruction.
///
/// `live` are the worlds in which the rule still goes on, `stopped` those in which it ended without a verdict.
struct RuleRun {
    let context: RuleContext
    var live: [World]
    var stopped: [World] = []
    var end = RuleEnd.nextRule
    var findings: [Finding] = []
    var definitions: [String] = []
    var notes: [String] = []
    var metLimit = false
    /// What each word of the registers holds.
    private var operands: [Int: Operand] = [:]
    private var isFinished = false

    init(_ context: RuleContext, _ worlds: [World]) {
        self.context = context
        live = worlds
        for index in live.indices { live[index].registers = Registers() }
    }

    mutating func run(_ rule: Rule) {
        for expression in rule.expressions {
            if live.isEmpty || isFinished { return }
            evaluate(expression)
        }
    }

    private mutating func evaluate(_ expression: Expression) {
        switch expression {
        case .payload, .meta, .connection, .connectionTuple, .addressType: load(expression)
        case .random(let modulus, let register), .increment(let modulus, let register):
            note(expression, register)
            draw(modulus, register)
        case .hash(let source, let length, let seed, let modulus, let register):
            hash(source, Int(length), seed, modulus, register)
        case .bitwise(let register, let mask, let xor): change(register, mask, xor)
        case .toNetworkOrder(let register, let length, let size): swap(register, Int(length), Int(size))
        case .compare(let register, let comparison, let bytes): compare(register, comparison, bytes)
        case .lookup(let set, let register, let destination, let inverted):
            countLookup()
            lookUp(set, register, destination, inverted)
        case .updateSet(let operation, let set, let key, let data, let timeout, let expression):
            countLookup()
            update(operation, set, key, data, timeout, expression)
        case .setMeta(let key, let register): setMeta(key, register)
        case .setPayload(let base, let offset, let length, let register, _):
            setPayload(base, Int(offset), Int(length), register)
        case .destinationNAT(_, let address, let port): redirect(address, port)
        case .masquerade: masquerade()
        case .verdict(let verdict): decide(verdict)
        case .reject(let type, let code): reject(type, code)
        // They count and log, and never end a rule.
        case .counter, .other("log"), .other("last"): break
        case .match(let name, _, _): giveUp("the rule has a match of iptables that cannot be followed: \(name)")
        case .target(let name, _, _): giveUp("the rule has a target of iptables that cannot be followed: \(name)")
        case .other(let name): giveUp("the rule has an instruction that cannot be followed: \(name)")
        }
    }

    // MARK: What all instructions use

    private mutating func countLookup() { for index in live.indices { live[index].lookups += 1 } }

    func operand(_ word: Int) -> Operand { operands[word] ?? Operand(text: "?", kind: .bytes, length: 4) }

    mutating func name(_ operand: Operand, _ register: Register) {
        if let word = register.word { operands[word] = operand }
    }

    private mutating func note(_ expression: Expression, _ register: Register) {
        if context.reports, let operand = Operand(loadedBy: expression, context.family) { name(operand, register) }
    }

    mutating func add(_ kind: Finding.Kind, _ text: String, isTelling: Bool = true) {
        if context.reports { findings.append(Finding(kind, text, isTelling: isTelling)) }
    }

    /// ` (1/3)` where not every packet comes here.
    func share(_ probability: Fraction) -> String { probability == .one ? "" : " (\(probability))" }

    /// Ends the rule as if it did not match, because the trace cannot say.
    mutating func giveUp(_ reason: String) {
        let text = "\(reason); taken as no match"
        add(.note, text)
        notes.append(text)
        stop()
    }

    mutating func stop() {
        stopped += live
        live = []
    }

    mutating func finish(_ end: RuleEnd) {
        self.end = end
        isFinished = true
    }

    /// Lets the rule go on in some worlds alone.
    mutating func keep(_ condition: (inout World) -> Bool) {
        var kept: [World] = []
        kept.reserveCapacity(live.count)
        for var world in live {
            if condition(&world) { kept.append(world) } else { stopped.append(world) }
        }
        live = kept
    }

    /// The value that a register has in all worlds; nil if it differs.
    func commonBytes(_ register: Register, _ count: Int) -> [UInt8]? {
        guard let word = register.word, let first = live.first?.registers.bytes(at: word, count: count) else {
            return nil
        }
        return live.allSatisfy { $0.registers.bytes(at: word, count: count) == first } ? first : nil
    }
}

// MARK: - Loading and computing

extension RuleRun {
    private mutating func load(_ expression: Expression) {
        let register: Register
        switch expression {
        case .payload(_, _, _, let target), .meta(_, let target), .connection(_, let target),
            .connectionTuple(_, _, let target), .addressType(_, let target):
            register = target
        default: return
        }
        guard let word = register.word else { return giveUp("the rule loads into a register that there is not") }
        note(expression, register)
        if case .connection(let key, _) = expression, key != .state { keep { $0.state.connection != nil } }
        if case .connectionTuple = expression { keep { $0.state.connection != nil } }
        let context = context
        for index in live.indices {
            if let bytes = live[index].state.bytes(of: expression, context) {
                live[index].registers.store(bytes, at: word)
            } else {
                let length = Operand(loadedBy: expression, context.family)?.length ?? 4
                live[index].registers.forget(at: word, count: length)
            }
        }
    }

    /// Splits every world into as many as there are values.
    private mutating func draw(_ modulus: UInt32, _ register: Register) {
        guard let word = register.word else { return giveUp("the rule draws into a register that there is not") }
        guard modulus > 0, modulus <= 65_536, live.count <= 262_144 / Int(modulus), canDivide(by: modulus) else {
            return giveUp("a choice of \(modulus) is too large to follow")
        }
        live = live.flatMap { world in
            let share = world.probability.divided(by: modulus)
            return (0..<modulus).map { value in
                var world = world
                world.probability = share
                world.registers.store(number: value, at: word)
                return world
            }
        }
    }

    /// Whether all probabilities stay exact.
    private func canDivide(by modulus: UInt32) -> Bool {
        var common = context.denominator
        for world in live {
            let (product, overflow) = world.probability.denominator.multipliedReportingOverflow(by: UInt64(modulus))
            guard !overflow, let next = Fraction.commonDenominator(common, product) else { return false }
            common = next
        }
        return true
    }

    private mutating func hash(
        _ source: Register, _ length: Int, _ seed: UInt32, _ modulus: UInt32, _ register: Register
    ) {
        guard let from = source.word, let word = register.word else {
            return giveUp("the rule hashes a register that there is not")
        }
        if context.reports {
            let text = "jhash \(operand(from).text) mod \(modulus) seed \(Operand.hex(seed))"
            name(Operand(text: text, kind: .number, length: 4), register)
        }
        for index in live.indices {
            let slot = live[index].registers.withBytes(at: from, count: length) {
                JenkinsHash.slot($0, seed: seed, modulus: modulus)
            }
            if let slot {
                live[index].registers.store(number: slot, at: word)
            } else {
                live[index].registers.forget(at: word, count: 4)
            }
        }
    }

    private mutating func change(_ register: Register, _ mask: [UInt8], _ xor: [UInt8]) {
        guard let word = register.word else { return giveUp("the rule changes a register that there is not") }
        if context.reports { name(operand(word).changed(mask: mask, xor: xor), register) }
        for index in live.indices {
            guard let bytes = live[index].registers.bytes(at: word, count: mask.count) else {
                live[index].registers.forget(at: word, count: mask.count)
                continue
            }
            let changed = bytes.indices.map { bytes[$0] & mask[$0] ^ ($0 < xor.count ? xor[$0] : 0) }
            live[index].registers.store(changed, at: word)
        }
    }

    private mutating func swap(_ register: Register, _ length: Int, _ size: Int) {
        guard let word = register.word, size > 0, length >= 0, length <= 64 else {
            return giveUp("the rule swaps bytes that there are not")
        }
        let whole = length / size * size
        for index in live.indices {
            guard var bytes = live[index].registers.bytes(at: word, count: whole) else { continue }
            for start in stride(from: 0, to: whole, by: size) { bytes[start..<start + size].reverse() }
            live[index].registers.store(bytes, at: word)
        }
    }

    /// What is not known counts as different from everything. An interface that is not known is not loopback, by which
    /// nothing comes from outside.
    private mutating func compare(_ register: Register, _ comparison: Comparison, _ bytes: [UInt8]) {
        guard let word = register.word else { return giveUp("the rule compares a register that there is not") }
        let actual = context.reports ? commonBytes(register, bytes.count) : nil
        var isUnknown = false
        keep { world in
            let isEqual = world.registers.withBytes(at: word, count: bytes.count) { $0.elementsEqual(bytes) }
            if isEqual == nil { isUnknown = true }
            return (isEqual ?? false) == (comparison == .equal)
        }
        guard context.reports else { return }
        let operand = operand(word)
        let text = operand.condition(comparison, bytes)
        if isUnknown, !operand.isLoopback(bytes) {
            let text = "\(operand.text) is not known; taken as different from \(operand.value(bytes))"
            add(.note, text)
            notes.append(text)
        } else if live.isEmpty {
            let value = actual.map { " (it is \(operand.value($0)))" } ?? ""
            add(.condition, "not \(text)\(value)", isTelling: false)
        } else {
            add(.condition, text + share(live.probability), isTelling: false)
        }
    }
}

extension PacketState {
    /// What an instruction loads; nil if it is not known. The bytes are as the kernel has them in a register.
    fileprivate func bytes(of expression: Expression, _ context: RuleContext) -> [UInt8]? {
        switch expression {
        case .payload(.network, let offset, let length, _):
            network.read(Int(offset), Int(length)).map(Array.init)
        case .payload(.transport, let offset, let length, _):
            transport.read(Int(offset), Int(length)).map(Array.init)
        case .payload(.link, _, _, _): nil
        case .meta(.mark, _): hostBytes(mark)
        case .meta(.inputInterfaceName, _): inputInterface
        case .meta(.transportProtocol, _): [transportNumber]
        case .connection(let key, _): bytes(of: key, .original)
        case .connectionTuple(let key, let direction, _): bytes(of: key, direction)
        case .addressType(let which, _):
            (which == .source ? source : destination).map { hostBytes(context.node.addressType($0)) }
        default: nil
        }
    }

    private func bytes(of key: ConnectionKey, _ direction: TupleDirection) -> [UInt8]? {
        guard let connection else { return key == .state ? hostBytes(Connection.invalid) : nil }
        let isReply = direction == .reply
        switch key {
        case .state: return hostBytes(Connection.new)
        case .status: return hostBytes(connection.status)
        case .transportProtocol: return [transportNumber]
        case .destinationPort:
            let port = isReply ? (connection.isMasqueraded ? nil : connection.sourcePort) : connection.destinationPort
            return port.map { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        case .sourceIPv4, .sourceIPv6:
            return (isReply ? connection.replySource : connection.source)?.networkBytes
        case .destinationIPv4, .destinationIPv6:
            let source = connection.isMasqueraded ? nil : connection.source
            return (isReply ? source : connection.destination)?.networkBytes
        }
    }

    private func hostBytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
}
