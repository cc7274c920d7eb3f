internal import NFTables
internal import NetAddress

// Look-ups, and rules that add elements.

extension RuleRun {
    /// The catch-all element stands for every key that is not there, also where the look-up is inverted (Linux 6.18; older
    /// kernels ask it after inverting). What is found may have an expression, and that may end the rule.
    mutating func lookUp(_ name: String, _ register: Register, _ destination: Register?, _ inverted: Bool) {
        guard let set = context.table.sets[name] else {
            return giveUp("the set \(name) is not there, or has a form that cannot be read")
        }
        guard let word = register.word, destination == nil || destination?.word != nil else {
            return giveUp("the rule looks up a register that there is not")
        }
        var report = context.reports ? LookupReport(set, keyNames(word, set), choice(word, set)) : nil
        let isExceeded = context.limits == .exceeded
        var limits: [StatefulExpression] = []
        keep { world in
            let key = world.registers.key(at: word, significant: set.significantLength, padded: set.keyLength)
            let element = key.flatMap { world.state.element($0, set) } ?? set.catchAll.map { FoundElement($0) }
            report?.count(key, element, world.probability)
            guard (element != nil) != inverted else { return false }
            guard let element else { return true }
            if let target = destination?.word {
                if let datum = element.datum {
                    world.registers.store(datum, at: target)
                } else {
                    world.registers.forget(at: target, count: set.definition.data?.paddedLength ?? 4)
                }
            }
            let expressions = [set.definition.expression, element.expression].compactMap { $0 }.filter {
                $0 != .counter
            }
            for expression in expressions where !limits.contains(expression) { limits.append(expression) }
            return expressions.isEmpty || isExceeded
        }
        if let report {
            nameData(of: set, at: destination?.word)
            findings.append(report.finding)
            definitions += report.definitions
            notes += report.notes
        }
        for limit in limits { meet(limit, name) }
    }

    /// Says what is taken for granted of a limit.
    private mutating func meet(_ limit: StatefulExpression, _ set: String) {
        metLimit = true
        let state = context.limits == .within ? "within it, so that the rule ends here" : "over it"
        let text = "\(limit) in \(set): taken to be \(state)"
        add(.condition, text)
        notes.append(text)
    }

    mutating func update(
        _ operation: SetOperation, _ name: String, _ register: Register, _ data: Register?, _ timeout: UInt64,
        _ expression: StatefulExpression?
    ) {
        guard let set = context.table.sets[name] else {
            return giveUp("the set \(name) is not there, or has a form that cannot be read")
        }
        guard let word = register.word, data == nil || data?.word != nil else {
            return giveUp("the rule adds an element from a register that there is not")
        }
        let dataLength = set.definition.data?.paddedLength ?? 0
        var texts: [String] = []
        var isUnknown = false
        for index in live.indices {
            let registers = live[index].registers
            guard let key = registers.key(at: word, significant: set.significantLength, padded: set.keyLength) else {
                isUnknown = true
                continue
            }
            let datum = data?.word.flatMap { registers.bytes(at: $0, count: dataLength) }
            live[index].state.change(operation, key, datum, set)
            if context.reports, texts.count <= 10 {
                let end = datum.map { " : \(FoundElement.text($0, set.definition.family))" } ?? ""
                texts.append(set.definition.text(of: key) + end)
            }
        }
        let verb = operation == .delete ? "forgets" : "remembers"
        let duration = timeout > 0 ? " for \(Self.seconds(timeout))" : ""
        if isUnknown {
            add(.memory, "\(verb) \(keyNames(word, set)) in \(name)\(duration); its value is not known")
        } else {
            add(.memory, "\(verb) \(abbreviated(texts)) in \(name)\(duration)\(share(live.probability))")
        }
        for limit in [set.definition.expression, expression].compactMap({ $0 }) where limit != .counter {
            meet(limit, name)
            if context.limits == .within { stop() }
        }
    }

    private static func seconds(_ milliseconds: UInt64) -> String {
        milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
    }

    /// The parts of a key as they were loaded: `ip daddr . meta l4proto . th dport`.
    func keyNames(_ word: Int, _ set: SetIndex) -> String {
        keyOperands(word, set).map(\.text).joined(separator: " . ")
    }

    private func keyOperands(_ word: Int, _ set: SetIndex) -> [Operand] {
        var place = word
        return set.definition.key.map { field in
            defer { place += field.paddedLength / 4 }
            return operand(place)
        }
    }

    /// What is drawn within a key.
    private func choice(_ word: Int, _ set: SetIndex) -> Operand.Choice? {
        keyOperands(word, set).lazy.compactMap(\.choice).first
    }

    private mutating func nameData(of set: SetIndex, at word: Int?) {
        guard let word, let data = set.definition.data else { return }
        var place = word
        for field in data {
            let kind: Operand.Kind =
                switch field {
                case .destinationPort, .originalDestinationPort: .port
                case .transportProtocol, .connectionProtocol: .transport
                case .randomSlot, .nextSlot, .sourceSlot: .number
                default: .address(context.family)
                }
            let operand = Operand(text: "what \(set.definition.name) has", kind: kind, length: field.length)
            name(operand, Register(word: place))
            place += field.paddedLength / 4
        }
    }
}

/// An element that a look-up found.
struct FoundElement: Hashable {
    let datum: [UInt8]?
    let comment: String?
    let expression: StatefulExpression?

    init(_ value: ElementValue) {
        datum = value.datum
        comment = value.comment
        expression = value.expression
    }

    init(datum: [UInt8]?) {
        self.datum = datum
        comment = nil
        expression = nil
    }

    /// A datum in words.
    static func text(_ datum: [UInt8], _ family: IPFamily) -> String {
        guard let address = IPAddress(networkBytes: datum.prefix(family.addressLength)) else {
            return "0x" + datum.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        guard datum.count >= family.addressLength + 2 else { return address.description }
        let port = datum[family.addressLength...].prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
        return SocketAddress(address, port).text
    }
}

extension PacketState {
    /// The element of a key, changes on the way included; the catch-all element aside.
    func element(_ key: ElementKey, _ set: SetIndex) -> FoundElement? {
        if let change = changes.last(where: { $0.key == key && $0.set == set.definition.name }) {
            return change.isDeleted ? nil : FoundElement(datum: change.datum)
        }
        return set.find(key).map { FoundElement($0) }
    }

    /// Adding and updating leave the datum of an element that is there as it is.
    mutating func change(_ operation: SetOperation, _ key: ElementKey, _ datum: [UInt8]?, _ set: SetIndex) {
        let name = set.definition.name
        let isThere = element(key, set) != nil
        switch operation {
        case .add, .update:
            if isThere { return }
            changes.append(SetChange(set: name, key: key, datum: datum))
        case .delete:
            if isThere { changes.append(SetChange(set: name, key: key, isDeleted: true)) }
        }
    }
}

/// Gathers what a look-up finds in all worlds.
private struct LookupReport {
    private struct Result: Hashable {
        let key: ElementKey?
        let element: FoundElement?
    }

    private let index: SetIndex
    private let names: String
    private let choice: Operand.Choice?
    private var order: [Result] = []
    private var shares: [Result: Fraction] = [:]

    init(_ set: SetIndex, _ names: String, _ choice: Operand.Choice?) {
        index = set
        self.names = names
        self.choice = choice
    }

    /// Of a key with a part that is drawn, the drawn part does not matter, but what it leads to.
    mutating func count(_ key: ElementKey?, _ element: FoundElement?, _ probability: Fraction) {
        let result = Result(key: choice == nil || key == nil ? key : .catchAll, element: element)
        if shares[result] == nil { order.append(result) }
        shares[result, default: .zero] += probability
    }

    private var reference: String { index.definition.name }
    private var total: Fraction { shares.values.reduce(.zero, +) }
    private var found: [Result] { order.filter { $0.element != nil } }

    var definitions: [String] { found.compactMap { $0.element?.comment } }

    var notes: [String] {
        order.contains { $0.key == nil } ? ["\(names) is not known; taken as not in \(reference)"] : []
    }

    var finding: Finding {
        var finding = Finding(.lookup, text, isTelling: !found.isEmpty || !notes.isEmpty)
        finding.set = reference
        finding.alternatives = order.map { result in
            Finding.Alternative(
                key: keyText(result.key), datum: datumText(result.element), comment: result.element?.comment,
                isFound: result.element != nil, probability: shares[result] ?? .zero)
        }
        return finding
    }

    private var text: String {
        if let note = notes.first { return note }
        switch choice {
        case .random(modulus: 1)?, .turns(modulus: 1)?: return "the only slot of \(reference): \(drawn)"
        case .random(let modulus)?: return "one of \(modulus) slots of \(reference): \(drawn)"
        case .turns(let modulus)?:
            return "the next of \(modulus) slots of \(reference), which take turns: \(drawn)"
        case nil: break
        }
        if let only = order.first, order.count == 1 {
            return "\(names) = \(keyText(only.key)) \(describe(only.element))"
        }
        guard !found.isEmpty else { return "\(names) is not in \(reference)" }
        let texts = found.map { "\(keyText($0.key)) \(describe($0.element)) (\(shares[$0] ?? .zero))" }
        return "\(names) = \(abbreviated(texts))"
    }

    /// What the slots lead to. None at all is said without a number.
    private var drawn: String {
        if let only = order.first, order.count == 1 { return datumText(only.element) ?? "nothing" }
        return abbreviated(order.map { "\(datumText($0.element) ?? "nothing") (\(shares[$0] ?? .zero))" })
    }

    private func keyText(_ key: ElementKey?) -> String {
        guard let key else { return "?" }
        return key == .catchAll ? "*" : index.definition.text(of: key)
    }

    private func datumText(_ element: FoundElement?) -> String? {
        guard index.definition.data != nil, let element else { return nil }
        return element.datum.map { FoundElement.text($0, index.definition.family) } ?? "?"
    }

    private func describe(_ element: FoundElement?) -> String {
        guard let element else { return "is not in \(reference)" }
        let comment = element.comment.map { ": \($0)" } ?? ""
        return "is in \(reference)\(datumText(element).map { " and leads to \($0)" } ?? "")\(comment)"
    }
}
