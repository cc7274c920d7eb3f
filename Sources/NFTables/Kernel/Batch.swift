internal import CNetfilter
internal import NetAddress
internal import Netlink
internal import NetlinkWire

/// One transaction: changes that the kernel makes all together, or not at all.
///
/// Changes are carried out in the order in which they are added. A batch remembers what each message was about, so
/// that a refusal can name the object.
public struct Batch: ~Copyable {
    var buffer: MessageBuffer
    private var sequence: UInt32 = 0
    private var subjects: [Subject] = []
    /// Where libnftnl writes; made by the first message that it writes, since elements do without.
    private var scratch: UnsafeMutableRawBufferPointer?

    /// What the message with the same index is about; element messages name their elements by position.
    private struct Subject {
        var start: Int
        var what: Object
    }

    /// What a message can be about.
    public enum Object: Sendable {
        case batch
        case table(Table)
        case chain(Chain)
        case set(SetDefinition)
        case rule(Rule?, chain: Chain)
        case elements(SetDefinition)
    }

    /// Starts a batch.
    ///
    /// - Parameter generation: the ruleset that the changes were computed against. If the kernel's is another by the
    ///   time the batch arrives, nothing is done (ERESTART). Nil takes any.
    public init(generation: UInt32?, capacity: Int = 1 << 16) {
        buffer = MessageBuffer(capacity: capacity)
        let start = open(UInt16(NFNL_MSG_BATCH_BEGIN), [], .batch, family: 0, resource: UInt16(NFNL_SUBSYS_NFTABLES))
        if let generation { buffer.attribute(UInt16(NFNL_BATCH_GENID.rawValue), bigEndian: generation) }
        buffer.closeMessage(start)
    }

    deinit { scratch?.deallocate() }

    /// The sequence number of the message that was added last.
    var lastSequence: UInt32 { sequence - 1 }

    /// The finished batch's bytes: what a bare loop would have to send to the kernel for the same changes.
    public consuming func finished() -> [UInt8] {
        finish()
        return buffer.bytes
    }

    /// Ends the batch. The last change asks for an answer, which is the proof that all were made: kernels before 6.10
    /// do not answer the end of a batch.
    mutating func finish() {
        if let last = subjects.last { buffer.add(.acknowledge, toMessageAt: last.start) }
        let start = open(
            UInt16(NFNL_MSG_BATCH_END), [], .batch, family: 0, resource: UInt16(NFNL_SUBSYS_NFTABLES))
        buffer.closeMessage(start)
    }

    /// Starts a message with the header that all of netfilter shares (struct nfgenmsg).
    private mutating func open(
        _ type: UInt16, _ flags: MessageFlags, _ subject: Object, family: UInt8, resource: UInt16 = 0
    ) -> Int {
        subjects.append(Subject(start: buffer.count, what: subject))
        let start = buffer.openMessage(type: type, flags: flags.union(.request), sequence: sequence)
        sequence += 1
        buffer.append(family)
        buffer.append(0 as UInt8)
        buffer.append(resource.bigEndian)
        return start
    }

    private static func type(_ message: nf_tables_msg_types) -> UInt16 {
        UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(truncatingIfNeeded: message.rawValue)
    }

    /// Adds a message whose attributes libnftnl writes.
    private mutating func add(
        _ type: nf_tables_msg_types, _ flags: MessageFlags, _ subject: Object, _ family: IPFamily,
        _ build: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) {
        let start = open(Self.type(type), flags, subject, family: family.netfilterNumber)
        reserveScratch(1 << 16)
        guard let scratch, let base = scratch.baseAddress else { return }
        let header = base.bindMemory(to: nlmsghdr.self, capacity: 1)
        header.pointee = nlmsghdr()
        header.pointee.nlmsg_len = UInt32(messageHeaderLength)
        build(header)
        let written = Int(header.pointee.nlmsg_len)
        buffer.appendPadded(
            UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(scratch)[messageHeaderLength..<written]))
        buffer.closeMessage(start)
    }

    /// libnftnl writes without looking at where the room ends. The kernel refuses a rule that is far too long, but it
    /// must get that far.
    private mutating func reserveScratch(_ needed: Int) {
        guard needed > scratch?.count ?? 0 else { return }
        scratch?.deallocate()
        scratch = .allocate(byteCount: needed, alignment: 8)
    }

    // MARK: - Tables, chains, sets

    /// Makes a table; one that is there already with the same flags is left alone.
    public mutating func add(_ table: Table) { put(NFT_MSG_NEWTABLE, .create, table) }

    /// Deletes a table and all that is in it.
    public mutating func delete(_ table: Table) { put(NFT_MSG_DELTABLE, [], table) }

    private mutating func put(_ type: nf_tables_msg_types, _ flags: MessageFlags, _ table: Table) {
        guard let object = nftnl_table_alloc() else { return }
        defer { nftnl_table_free(object) }
        nftnl_table_set_str(object, UInt16(NFTNL_TABLE_NAME), table.name)
        if type == NFT_MSG_NEWTABLE {
            nftnl_table_set_u32(object, UInt16(NFTNL_TABLE_FLAGS), table.flags)
            if let comment = table.comment {
                var userdata = Userdata()
                userdata.put(0, text: comment)
                nftnl_table_set_data(
                    object, UInt16(NFTNL_TABLE_USERDATA), userdata.bytes, UInt32(userdata.bytes.count))
            }
        }
        add(type, flags, .table(table), table.family) { nftnl_table_nlmsg_build_payload($0, object) }
    }

    /// Makes a chain. One that is there already is left alone, or else refused (EEXIST).
    public mutating func add(_ chain: Chain, isNew: Bool = false) {
        put(NFT_MSG_NEWCHAIN, isNew ? [.create, .exclusive] : .create, chain)
    }

    /// Deletes a chain, which nothing may jump to and which must be empty.
    public mutating func delete(_ chain: Chain) { put(NFT_MSG_DELCHAIN, [], chain) }

    private mutating func put(_ type: nf_tables_msg_types, _ flags: MessageFlags, _ chain: Chain) {
        guard let object = nftnl_chain_alloc() else { return }
        defer { nftnl_chain_free(object) }
        nftnl_chain_set_str(object, UInt16(NFTNL_CHAIN_TABLE), chain.table)
        nftnl_chain_set_str(object, UInt16(NFTNL_CHAIN_NAME), chain.name)
        if type == NFT_MSG_NEWCHAIN, let hook = chain.hook {
            nftnl_chain_set_str(object, UInt16(NFTNL_CHAIN_TYPE), hook.kind.rawValue)
            nftnl_chain_set_u32(object, UInt16(NFTNL_CHAIN_HOOKNUM), hook.point.rawValue)
            nftnl_chain_set_s32(object, UInt16(NFTNL_CHAIN_PRIO), hook.priority)
            nftnl_chain_set_u32(object, UInt16(NFTNL_CHAIN_POLICY), UInt32(policyAccept))
        }
        add(type, flags, .chain(chain), chain.family) { nftnl_chain_nlmsg_build_payload($0, object) }
    }

    /// Makes a set or map without elements.
    public mutating func add(_ set: SetDefinition) { put(NFT_MSG_NEWSET, .create, set) }

    /// Deletes a set with its elements; no rule may look into it.
    public mutating func delete(_ set: SetDefinition) { put(NFT_MSG_DELSET, [], set) }

    private mutating func put(_ type: nf_tables_msg_types, _ flags: MessageFlags, _ set: SetDefinition) {
        guard let object = nftnl_set_alloc() else { return }
        defer { nftnl_set_free(object) }
        nftnl_set_set_str(object, UInt16(NFTNL_SET_TABLE), set.table)
        nftnl_set_set_str(object, UInt16(NFTNL_SET_NAME), set.name)
        if type == NFT_MSG_NEWSET { describe(set, to: object) }
        add(type, flags, .set(set), set.family) { nftnl_set_nlmsg_build_payload($0, object) }
    }

    private func describe(_ set: SetDefinition, to object: OpaquePointer) {
        nftnl_set_set_u32(object, UInt16(NFTNL_SET_ID), sequence)
        nftnl_set_set_u32(object, UInt16(NFTNL_SET_FLAGS), set.flags)
        nftnl_set_set_u32(object, UInt16(NFTNL_SET_KEY_TYPE), set.key.dataType)
        nftnl_set_set_u32(object, UInt16(NFTNL_SET_KEY_LEN), UInt32(set.key.wireLength))
        if let data = set.data {
            nftnl_set_set_u32(object, UInt16(NFTNL_SET_DATA_TYPE), data.dataType)
            nftnl_set_set_u32(object, UInt16(NFTNL_SET_DATA_LEN), UInt32(data.wireLength))
        }
        if set.holdsRanges {
            let lengths = set.key.map { UInt8(truncatingIfNeeded: $0.length) }
            nftnl_set_set_data(object, UInt16(NFTNL_SET_DESC_CONCAT), lengths, UInt32(lengths.count))
        }
        let userdata = set.userdata.bytes
        nftnl_set_set_data(object, UInt16(NFTNL_SET_USERDATA), userdata, UInt32(userdata.count))
        if let size = set.size { nftnl_set_set_u32(object, UInt16(NFTNL_SET_DESC_SIZE), size) }
        if let seconds = set.timeoutSeconds {
            nftnl_set_set_u64(object, UInt16(NFTNL_SET_TIMEOUT), UInt64(seconds) * 1000)
        }
        if let expression = set.expression?.allocate() { nftnl_set_add_expr(object, expression) }
    }

    // MARK: - Rules

    /// Adds a rule at the end of a chain, or before the rule with the handle.
    public mutating func add(_ rule: Rule, to chain: Chain, before handle: UInt64? = nil) {
        put(rule, chain, handle == nil ? [.create, .append] : .create, place: handle.map { (NFTNL_RULE_POSITION, $0) })
    }

    /// Adds a rule at the start of a chain.
    public mutating func insert(_ rule: Rule, atStartOf chain: Chain) { put(rule, chain, .create, place: nil) }

    /// Puts a rule in the place of the one with the handle. The new one has a handle of its own, and counts from 0.
    public mutating func replace(_ handle: UInt64, with rule: Rule, in chain: Chain) {
        put(rule, chain, .replace, place: (NFTNL_RULE_HANDLE, handle))
    }

    private mutating func put(
        _ rule: Rule, _ chain: Chain, _ flags: MessageFlags, place: (attribute: nftnl_rule_attr, handle: UInt64)?
    ) {
        if rule.compatibility != nil, rule.isWrittenByHand {
            // Such rules come by the hundred thousand, and are read again from the message should one be refused.
            let start = open(
                Self.type(NFT_MSG_NEWRULE), flags, .rule(nil, chain: chain), family: chain.family.netfilterNumber)
            rule.write(to: &buffer, chain, place.map { (wireAttribute($0.attribute), $0.handle) })
            return buffer.closeMessage(start)
        }
        guard let object = nftnl_rule_alloc() else { return }
        defer { nftnl_rule_free(object) }
        nftnl_rule_set_str(object, UInt16(NFTNL_RULE_TABLE), chain.table)
        nftnl_rule_set_str(object, UInt16(NFTNL_RULE_CHAIN), chain.name)
        if let place { nftnl_rule_set_u64(object, UInt16(place.attribute), place.handle) }
        if let compatibility = rule.compatibility {
            nftnl_rule_set_u32(object, UInt16(NFTNL_RULE_COMPAT_PROTO), UInt32(compatibility.protocolNumber))
            nftnl_rule_set_u32(
                object, UInt16(NFTNL_RULE_COMPAT_FLAGS), compatibility.flags)
        }
        for expression in rule.expressions { expression.add(to: object) }
        reserveScratch(4096 + rule.expressions.reduce(0) { $0 + $1.longestEncoding })
        add(NFT_MSG_NEWRULE, flags, .rule(rule, chain: chain), chain.family) {
            nftnl_rule_nlmsg_build_payload($0, object)
        }
    }

    /// Deletes the rule with the handle, or all rules of the chain.
    public mutating func deleteRules(of chain: Chain, handle: UInt64? = nil, rule: Rule? = nil) {
        guard let object = nftnl_rule_alloc() else { return }
        defer { nftnl_rule_free(object) }
        nftnl_rule_set_str(object, UInt16(NFTNL_RULE_TABLE), chain.table)
        nftnl_rule_set_str(object, UInt16(NFTNL_RULE_CHAIN), chain.name)
        if let handle { nftnl_rule_set_u64(object, UInt16(NFTNL_RULE_HANDLE), handle) }
        add(NFT_MSG_DELRULE, [], .rule(rule, chain: chain), chain.family) {
            nftnl_rule_nlmsg_build_payload($0, object)
        }
    }

    // MARK: - Elements

    /// Adds elements. One that is there already with the same data is left alone; with other data the whole
    /// transaction is refused (EEXIST).
    public mutating func add(_ elements: [(ElementKey, ElementValue)], to set: SetDefinition) {
        var run = openElements(set, adding: true)
        for (key, value) in elements { put(key, value, into: &run) }
        close(run)
    }

    /// Deletes elements, which are named by their keys and, for ranges, upper ends; one that is missing makes the kernel
    /// refuse the whole transaction (ENOENT).
    public mutating func delete(_ elements: [(ElementKey, ElementValue)], from set: SetDefinition) {
        var run = openElements(set, adding: false)
        for (key, value) in elements {
            put(key, value.rangeEnd.map { .range(end: $0) } ?? .member, into: &run)
        }
        close(run)
    }

    /// A message that elements of one set are being written to.
    public struct ElementRun {
        fileprivate let set: SetDefinition
        fileprivate let isAdding: Bool
        fileprivate var message: Int
        fileprivate var list: Int
    }

    /// Starts to add elements to a set, or to delete them from it, one by one. Nothing else may be added to the batch
    /// before ``close(_:)``.
    public mutating func openElements(_ set: SetDefinition, adding isAdding: Bool) -> ElementRun {
        let type = Self.type(isAdding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM)
        let message = open(type, isAdding ? .create : [], .elements(set), family: set.family.netfilterNumber)
        buffer.attribute(UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), string: set.table)
        buffer.attribute(UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), string: set.name)
        let list = buffer.openNest(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue))
        return ElementRun(set: set, isAdding: isAdding, message: message, list: list)
    }

    /// Writes an element straight into the batch, in a new message where an attribute cannot hold more.
    public mutating func put(_ key: ElementKey, _ value: ElementValue, into run: inout ElementRun) {
        if buffer.count - run.list > longestElementList {
            close(run)
            run = openElements(run.set, adding: run.isAdding)
        }
        Self.write(key, value, to: &buffer)
    }

    /// Ends a run of elements.
    public mutating func close(_ run: ElementRun) {
        buffer.closeNest(run.list)
        buffer.closeMessage(run.message)
    }

    private static func write(_ key: ElementKey, _ value: ElementValue, to buffer: inout MessageBuffer) {
        let element = buffer.openNest(UInt16(NFTA_LIST_ELEM.rawValue))
        if key == .catchAll {
            buffer.attribute(UInt16(NFTA_SET_ELEM_FLAGS.rawValue), bigEndian: elementFlagCatchAll)
        } else {
            let keyNest = buffer.openNest(UInt16(NFTA_SET_ELEM_KEY.rawValue))
            key.withBytes { buffer.attribute(UInt16(NFTA_DATA_VALUE.rawValue), bytes: $0) }
            buffer.closeNest(keyNest)
        }
        if let end = value.rangeEnd {
            let endNest = buffer.openNest(UInt16(NFTA_SET_ELEM_KEY_END.rawValue))
            end.withBytes { buffer.attribute(UInt16(NFTA_DATA_VALUE.rawValue), bytes: $0) }
            buffer.closeNest(endNest)
        }
        if let endpoint = value.endpoint {
            let dataNest = buffer.openNest(UInt16(NFTA_SET_ELEM_DATA.rawValue))
            write(endpoint, to: &buffer)
            buffer.closeNest(dataNest)
        } else if let address = value.address {
            let dataNest = buffer.openNest(UInt16(NFTA_SET_ELEM_DATA.rawValue))
            buffer.attribute(UInt16(NFTA_DATA_VALUE.rawValue), bytes: address.networkBytes)
            buffer.closeNest(dataNest)
        }
        if let comment = value.comment {
            var userdata = Userdata()
            userdata.put(0, text: comment)
            buffer.attribute(UInt16(NFTA_SET_ELEM_USERDATA.rawValue), bytes: userdata.bytes)
        }
        if let expression = value.expression { expression.write(UInt16(NFTA_SET_ELEM_EXPR.rawValue), to: &buffer) }
        buffer.closeNest(element)
    }

    /// An address and a port, both in network byte order, the port padded to 4 bytes.
    private static func write(_ endpoint: SocketAddress, to buffer: inout MessageBuffer) {
        let address = endpoint.address
        buffer.attributeHeader(UInt16(NFTA_DATA_VALUE.rawValue), payload: address.family.addressLength + 4)
        if address.family == .ipv6 {
            buffer.append(address.high.bigEndian)
            buffer.append(address.low.bigEndian)
        } else {
            buffer.append(UInt32(truncatingIfNeeded: address.low).bigEndian)
        }
        buffer.append(endpoint.port.bigEndian)
        buffer.append(0 as UInt16)
    }

    // MARK: - Refusals

    /// What the message with a sequence number was about.
    public func subject(ofSequence sequence: UInt32) -> Object? {
        guard subjects.indices.contains(Int(sequence)) else { return nil }
        let subject = subjects[Int(sequence)]
        guard case .rule(nil, let chain) = subject.what else { return subject.what }
        let rule = buffer.unsafeBytes { bytes in
            var reader = MessageReader(UnsafeRawBufferPointer(rebasing: bytes[subject.start...]))
            return reader.next().flatMap { Rule($0) }
        }
        return .rule(rule, chain: chain)
    }

    /// The element that lies at an offset within the message with a sequence number, if one does.
    func element(inMessage sequence: UInt32, at offset: Int) -> ElementKey? {
        guard subjects.indices.contains(Int(sequence)) else { return nil }
        let start = subjects[Int(sequence)].start
        return buffer.unsafeBytes { bytes in
            guard offset >= 0, start + offset < bytes.count else { return nil }
            let place = UnsafeRawBufferPointer(rebasing: bytes[(start + offset)...])
            var reader = AttributeReader(place)
            return reader.next().flatMap { ElementKey(element: $0) }
        }
    }
}

extension StatefulExpression {
    /// Writes the expression straight into a batch, for an element. The kernel has its numbers in network byte order.
    fileprivate func write(_ type: UInt16, to buffer: inout MessageBuffer) {
        let expression = buffer.openNest(type)
        buffer.attribute(UInt16(NFTA_EXPR_NAME.rawValue), string: kernelName)
        let data = buffer.openNest(UInt16(NFTA_EXPR_DATA.rawValue))
        switch self {
        case .counter: break
        case .rateOver(let rate, let burst):
            buffer.attribute(UInt16(NFTA_LIMIT_RATE.rawValue), bigEndian: rate)
            buffer.attribute(UInt16(NFTA_LIMIT_UNIT.rawValue), bigEndian: 1 as UInt64)
            buffer.attribute(UInt16(NFTA_LIMIT_BURST.rawValue), bigEndian: burst)
            buffer.attribute(UInt16(NFTA_LIMIT_TYPE.rawValue), bigEndian: 0 as UInt32)
            buffer.attribute(UInt16(NFTA_LIMIT_FLAGS.rawValue), bigEndian: 1 as UInt32)
        case .connectionsOver(let count):
            buffer.attribute(UInt16(NFTA_CONNLIMIT_COUNT.rawValue), bigEndian: count)
            buffer.attribute(UInt16(NFTA_CONNLIMIT_FLAGS.rawValue), bigEndian: 1 as UInt32)
        }
        buffer.closeNest(data)
        buffer.closeNest(expression)
    }
}

/// The kernel's number for libnftnl's name of a rule's place.
private func wireAttribute(_ attribute: nftnl_rule_attr) -> UInt16 {
    UInt16((attribute == NFTNL_RULE_POSITION ? NFTA_RULE_POSITION : NFTA_RULE_HANDLE).rawValue)
}

extension Expression {
    /// More than the instruction takes on the wire: a look-up holds a name of up to 255 bytes, a comparison 64 bytes.
    var longestEncoding: Int {
        switch self {
        case .match(_, _, let payload), .target(_, _, let payload): 512 + payload.count
        default: 512
        }
    }
}

extension [Field] {
    /// The length that the set is declared with: parts of a concatenation are padded, a single part is not.
    var wireLength: Int {
        if let only = first, count == 1 { return only.length }
        return paddedLength
    }
}

/// `NFT_SET_ELEM_CATCHALL`.
let elementFlagCatchAll: UInt32 = 2
/// `NF_ACCEPT`.
private let policyAccept = 1
/// One attribute holds at most 64 KiB, and an element of ours at most 400 bytes.
private let longestElementList = 65_000 - 400
