internal import CNetfilter
internal import Glibc
public import NetAddress
public import Netlink
internal import NetlinkWire

/// The kernel's nf_tables, in the network namespace where it was opened.
public struct NFTablesSocket: ~Copyable {
    private var socket: NetlinkSocket

    /// Opens a socket in the calling thread's network namespace.
    public init() throws(NetlinkError) { socket = try NetlinkSocket(.netfilter) }

    // MARK: - Reading

    /// What reading the generation is called in errors: whoever observes asks for it first.
    public static let firstQuestion = "reading the ruleset's generation"

    /// The number of the ruleset: one more after each transaction of anybody's in this namespace.
    public mutating func generation() throws(NetlinkError) -> UInt32 {
        var generation: UInt32?
        try get(NFT_MSG_GETGEN, [], Self.firstQuestion, nil) { _ in
        } onMessage: { message in
            generation = message.attributes(after: netfilterHeaderLength)
                .first(UInt16(NFTA_GEN_ID.rawValue))?.bigEndian()
        }
        guard let generation else { throw NetlinkError(errno: ENODATA, operation: Self.firstQuestion) }
        return generation
    }

    /// All tables of a family.
    public mutating func tables(_ family: IPFamily) throws(NetlinkError) -> [Table] {
        var tables: [Table] = []
        try get(NFT_MSG_GETTABLE, .dump, "listing tables", family) { _ in
        } onMessage: { message in
            if let table = Table(message), table.family == family { tables.append(table) }
        }
        return tables
    }

    /// The chains of a table, in the order in which they were made.
    public mutating func chains(of table: Table) throws(NetlinkError) -> [Chain] {
        var chains: [Chain] = []
        try get(NFT_MSG_GETCHAIN, .dump, "listing chains", table.family) { _ in
        } onMessage: { message in
            if let chain = Chain(message), chain.table == table.name { chains.append(chain) }
        }
        return chains
    }

    /// The named sets of a table, without their elements, in the order in which they were made.
    public mutating func sets(of table: Table) throws(NetlinkError) -> [ObservedSet] {
        var sets: [ObservedSet] = []
        try get(NFT_MSG_GETSET, .dump, "listing sets", table.family) { buffer in
            buffer.attribute(UInt16(NFTA_SET_TABLE.rawValue), string: table.name)
        } onMessage: { message in
            if let set = ObservedSet(message), set.table == table.name { sets.append(set) }
        }
        return sets
    }

    /// The rules of a table, chain by chain, each chain in order.
    public mutating func rules(of table: Table) throws(NetlinkError) -> [ObservedRule] {
        var rules: [ObservedRule] = []
        try get(NFT_MSG_GETRULE, .dump, "listing rules", table.family) { buffer in
            buffer.attribute(UInt16(NFTA_RULE_TABLE.rawValue), string: table.name)
        } onMessage: { message in
            if let rule = ObservedRule(message) { rules.append(rule) }
        }
        return rules
    }

    /// The rules of one chain, in order; none if there is no such chain.
    ///
    /// The kernel walks a table from its start for each part of a dump. Asking chain by chain takes time in proportion
    /// where a table has very many.
    public mutating func rules(of chain: Chain) throws(NetlinkError) -> [ObservedRule] {
        var rules: [ObservedRule] = []
        try get(NFT_MSG_GETRULE, .dump, "listing rules", chain.family) { buffer in
            buffer.attribute(UInt16(NFTA_RULE_TABLE.rawValue), string: chain.table)
            buffer.attribute(UInt16(NFTA_RULE_CHAIN.rawValue), string: chain.name)
        } onMessage: { message in
            if let rule = ObservedRule(message), rule.chain == chain.name { rules.append(rule) }
        }
        return rules
    }

    /// Hands every element of a set to a closure. An element may come twice while the kernel grows the set.
    public mutating func elements(
        of set: SetDefinition, onElement: (ObservedElement) -> Void
    ) throws(NetlinkError) {
        try get(NFT_MSG_GETSETELEM, .dump, "listing elements of \(set.name)", set.family) { buffer in
            buffer.attribute(UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), string: set.table)
            buffer.attribute(UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), string: set.name)
        } onMessage: { message in
            Self.read(message, of: set, onElement)
        }
    }

    /// Hands those elements of a set to a closure that have some keys: they are asked for one by one, which takes the same
    /// time whatever else the set has. The set must not hold ranges.
    ///
    /// - Returns: false if one of them is not there. Of those behind it some may be left out.
    public mutating func elements(
        _ keys: ArraySlice<ElementKey>, of set: SetDefinition, onElement: (ObservedElement) -> Void
    ) throws(NetlinkError) -> Bool {
        // The kernel answers with a message of a page or two for each, and does not wait for room.
        _ = socket.reserveReceiveBuffer(Self.mostKeys << 13)
        var rest = keys
        while !rest.isEmpty {
            let some = rest.prefix(Self.mostKeys)
            rest = rest.dropFirst(some.count)
            do {
                try get(NFT_MSG_GETSETELEM, .acknowledge, "looking up elements of \(set.name)", set.family) { buffer in
                    buffer.attribute(UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), string: set.table)
                    buffer.attribute(UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), string: set.name)
                    buffer.nested(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)) { list in
                        for key in some { list.element(key) }
                    }
                } onMessage: { message in
                    Self.read(message, of: set, onElement)
                }
            } catch {
                guard error.isAbsent else { throw error }
                return false
            }
        }
        return true
    }

    /// How many elements are asked for at once.
    private static let mostKeys = 100

    private static func read(_ message: Message, of set: SetDefinition, _ onElement: (ObservedElement) -> Void) {
        let attributes = message.attributes(after: netfilterHeaderLength)
        guard let list = attributes.first(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)) else { return }
        for element in list.nested {
            if let element = ObservedElement(element, of: set) { onElement(element) }
        }
    }

    /// The number of the network namespace, which no other gets while the machine runs; nil if the kernel does not say
    /// (Linux 5.14).
    public var namespaceCookie: UInt64? { socket.namespaceCookie }

    private mutating func get(
        _ type: nf_tables_msg_types, _ flags: MessageFlags, _ operation: String, _ family: IPFamily?,
        _ write: (inout MessageBuffer) -> Void, onMessage: (Message) -> Void
    ) throws(NetlinkError) {
        try get(type, flags, operation, familyNumber: family?.netfilterNumber ?? 0, write, onMessage: onMessage)
    }

    /// Asks about a family by its number (NFPROTO_*); 0 is all of them.
    mutating func get(
        _ type: nf_tables_msg_types, _ flags: MessageFlags, _ operation: String, familyNumber: UInt8,
        _ write: (inout MessageBuffer) -> Void, onMessage: (Message) -> Void
    ) throws(NetlinkError) {
        let type = UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(truncatingIfNeeded: type.rawValue)
        try socket.request(
            type: type, flags: flags, operation: operation,
            { buffer in
                buffer.append(familyNumber)
                buffer.append(0 as UInt8)
                buffer.append(0 as UInt16)
                write(&buffer)
            }, onMessage: onMessage)
    }

    // MARK: - Writing

    /// Carries out a batch: all of it, or nothing.
    public mutating func commit(_ batch: consuming Batch) throws(TransactionError) {
        let last = batch.lastSequence
        batch.finish()
        CommitterName.use()
        let answers: [ErrorMessage]
        do {
            answers = try socket.commit(batch.buffer, operation: "sending a transaction")
        } catch {
            throw TransactionError(cause: error, object: nil)
        }
        guard let refusal = Self.mostTelling(answers) else {
            guard !answers.contains(where: { $0.sequence == last }) else { return }
            throw TransactionError(
                cause: NetlinkError(errno: EPROTO, operation: "sending a transaction, which the kernel did not answer"),
                object: nil)
        }
        let cause = NetlinkError(
            errno: refusal.errno, operation: "changing the ruleset", message: refusal.message,
            sequence: refusal.sequence, offset: refusal.offset)
        throw TransactionError(cause: cause, object: batch.description(of: refusal))
    }

    /// Whether the kernel refuses anything of a batch. Nothing of it is carried out: it ends in the deletion of a chain
    /// that is not there, which the kernel must refuse, and with it all.
    public mutating func refuses(_ batch: consuming Batch, impossibleIn table: Table) throws(NetlinkError) -> Bool {
        batch.delete(Chain(family: table.family, table: table.name, name: "never made"))
        let last = batch.lastSequence
        batch.finish()
        let refusals = try socket.commit(batch.buffer, operation: "trying what the kernel can do")
        return refusals.contains { $0.errno != 0 && $0.sequence < last }
    }

    /// The first refusal is the reason; those after it are often its consequences.
    private static func mostTelling(_ answers: [ErrorMessage]) -> ErrorMessage? {
        answers.filter { $0.errno != 0 }.min { $0.sequence < $1.sequence }
    }
}

/// Why the kernel refused a transaction. Nothing of it was done.
public struct TransactionError: Error, Hashable, Sendable {
    public let cause: NetlinkError
    /// The object that was refused, in nft's words, for example `element 10.96.0.10 . tcp . 80 of set ip svcctl
    /// cluster_services`; nil if the whole transaction was.
    public let object: String?
}

extension TransactionError: CustomStringConvertible {
    public var description: String {
        let what = object.map { "the kernel refused \($0)" } ?? cause.operation
        return "\(what): \(cause.reason)"
    }
}

extension Batch {
    /// Names the object that a refusal is about.
    func description(of refusal: ErrorMessage) -> String? {
        guard let subject = subject(ofSequence: refusal.sequence) else { return nil }
        switch subject {
        case .batch: return nil
        case .table(let table): return "table \(table.family.nftName) \(table.name)"
        case .chain(let chain): return "chain \(chain.family.nftName) \(chain.table) \(chain.name)"
        case .set(let set): return set.reference
        case .rule(let rule, let chain):
            let text = rule.map { " `\($0)`" } ?? ""
            return "rule\(text) of chain \(chain.family.nftName) \(chain.table) \(chain.name)"
        case .elements(let set):
            let key = refusal.offset.flatMap { element(inMessage: refusal.sequence, at: $0) }
            return (key.map { "element \(set.text(of: $0)) of " } ?? "elements of ") + set.reference
        }
    }
}

extension MessageBuffer {
    /// Appends an element that is nothing but its key.
    fileprivate mutating func element(_ key: ElementKey) {
        nested(UInt16(NFTA_LIST_ELEM.rawValue)) { element in
            element.nested(UInt16(NFTA_SET_ELEM_KEY.rawValue)) { value in
                key.withBytes { value.attribute(UInt16(NFTA_DATA_VALUE.rawValue), bytes: $0) }
            }
        }
    }
}
