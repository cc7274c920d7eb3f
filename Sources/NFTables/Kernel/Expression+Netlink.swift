internal import CNetfilter

// Instructions to libnftnl's objects and back. The attributes are those of libnftnl/expr.h; values are in host byte
// order there, data as raw bytes.

/// A libnftnl expression that is being filled, owned by the rule it is added to.
private struct ExpressionWriter {
    let object: OpaquePointer

    func set(_ attribute: Int, _ value: UInt32) {
        nftnl_expr_set_u32(object, UInt16(truncatingIfNeeded: attribute), value)
    }

    func set(_ attribute: Int, long value: UInt64) {
        nftnl_expr_set_u64(object, UInt16(truncatingIfNeeded: attribute), value)
    }

    func set(_ attribute: Int, _ register: Register) { set(attribute, register.number) }

    func set(_ attribute: Int, _ bytes: [UInt8]) {
        bytes.withUnsafeBytes { raw in
            _ = nftnl_expr_set(
                object, UInt16(truncatingIfNeeded: attribute), raw.baseAddress, UInt32(truncatingIfNeeded: raw.count))
        }
    }

    func set(_ attribute: Int, _ text: String) {
        nftnl_expr_set_str(object, UInt16(truncatingIfNeeded: attribute), text)
    }
}

extension Expression {
    /// The kernel's name of the expression.
    private var name: String {
        switch self {
        case .payload, .setPayload: "payload"
        case .meta, .setMeta: "meta"
        case .connection, .connectionTuple: "ct"
        case .addressType: "fib"
        case .random, .increment: "numgen"
        case .hash: "hash"
        case .updateSet: "dynset"
        case .bitwise: "bitwise"
        case .toNetworkOrder: "byteorder"
        case .compare: "cmp"
        case .lookup: "lookup"
        case .destinationNAT: "nat"
        case .masquerade: "masq"
        case .verdict: "immediate"
        case .reject: "reject"
        case .other(let name): name
        }
    }

    /// Adds the instruction to a libnftnl rule, which then owns it.
    func add(to rule: OpaquePointer) {
        guard let object = nftnl_expr_alloc(name) else { return }
        let writer = ExpressionWriter(object: object)
        switch self {
        case .payload(let base, let offset, let length, let register):
            writer.set(NFTNL_EXPR_PAYLOAD_DREG, register)
            writer.set(NFTNL_EXPR_PAYLOAD_BASE, base.rawValue)
            writer.set(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
            writer.set(NFTNL_EXPR_PAYLOAD_LEN, length)
        case .meta(let key, let register):
            writer.set(NFTNL_EXPR_META_KEY, key.rawValue)
            writer.set(NFTNL_EXPR_META_DREG, register)
        case .setMeta(let key, let register):
            writer.set(NFTNL_EXPR_META_KEY, key.rawValue)
            writer.set(NFTNL_EXPR_META_SREG, register)
        case .setPayload(let base, let offset, let length, let register, let checksumOffset):
            writer.set(NFTNL_EXPR_PAYLOAD_SREG, register)
            writer.set(NFTNL_EXPR_PAYLOAD_BASE, base.rawValue)
            writer.set(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
            writer.set(NFTNL_EXPR_PAYLOAD_LEN, length)
            writer.set(NFTNL_EXPR_PAYLOAD_CSUM_TYPE, checksumOffset == nil ? 0 : internetChecksum)
            writer.set(NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, checksumOffset ?? 0)
            writer.set(NFTNL_EXPR_PAYLOAD_FLAGS, pseudoHeader)
        case .connectionTuple(let key, let direction, let register):
            writer.set(NFTNL_EXPR_CT_KEY, key.rawValue)
            writer.set(NFTNL_EXPR_CT_DREG, register)
            nftnl_expr_set_u8(object, UInt16(NFTNL_EXPR_CT_DIR), direction.rawValue)
        case .connection(let key, let register):
            writer.set(NFTNL_EXPR_CT_KEY, key.rawValue)
            writer.set(NFTNL_EXPR_CT_DREG, register)
        case .addressType(let which, let register):
            writer.set(NFTNL_EXPR_FIB_DREG, register)
            writer.set(NFTNL_EXPR_FIB_RESULT, fibResultAddressType)
            writer.set(NFTNL_EXPR_FIB_FLAGS, which.rawValue)
        case .random(let modulus, let register): Self.numgen(writer, numgenRandom, modulus, register)
        case .increment(let modulus, let register): Self.numgen(writer, numgenIncremental, modulus, register)
        case .hash(let source, let length, let seed, let modulus, let register):
            writer.set(NFTNL_EXPR_HASH_SREG, source)
            writer.set(NFTNL_EXPR_HASH_DREG, register)
            writer.set(NFTNL_EXPR_HASH_LEN, length)
            writer.set(NFTNL_EXPR_HASH_MODULUS, modulus)
            writer.set(NFTNL_EXPR_HASH_SEED, seed)
            writer.set(NFTNL_EXPR_HASH_OFFSET, 0)
            writer.set(NFTNL_EXPR_HASH_TYPE, 0)
        case .updateSet(let operation, let set, let key, let data, let timeout, let expression):
            writer.set(NFTNL_EXPR_DYNSET_OP, operation.rawValue)
            writer.set(NFTNL_EXPR_DYNSET_SET_NAME, set)
            writer.set(NFTNL_EXPR_DYNSET_SREG_KEY, key)
            if let data { writer.set(NFTNL_EXPR_DYNSET_SREG_DATA, data) }
            if timeout > 0 { writer.set(NFTNL_EXPR_DYNSET_TIMEOUT, long: timeout) }
            if let expression = expression?.allocate() {
                nftnl_expr_add_expr(object, UInt32(NFTNL_EXPR_DYNSET_EXPR), expression)
            }
        case .bitwise(let register, let mask, let xor):
            writer.set(NFTNL_EXPR_BITWISE_SREG, register)
            writer.set(NFTNL_EXPR_BITWISE_DREG, register)
            writer.set(NFTNL_EXPR_BITWISE_LEN, UInt32(truncatingIfNeeded: mask.count))
            writer.set(NFTNL_EXPR_BITWISE_OP, 0)
            writer.set(NFTNL_EXPR_BITWISE_MASK, mask)
            writer.set(NFTNL_EXPR_BITWISE_XOR, xor)
        case .toNetworkOrder(let register, let length, let size):
            writer.set(NFTNL_EXPR_BYTEORDER_DREG, register)
            writer.set(NFTNL_EXPR_BYTEORDER_SREG, register)
            writer.set(NFTNL_EXPR_BYTEORDER_OP, hostToNetwork)
            writer.set(NFTNL_EXPR_BYTEORDER_LEN, length)
            writer.set(NFTNL_EXPR_BYTEORDER_SIZE, size)
        case .compare(let register, let comparison, let bytes):
            writer.set(NFTNL_EXPR_CMP_SREG, register)
            writer.set(NFTNL_EXPR_CMP_OP, comparison.rawValue)
            writer.set(NFTNL_EXPR_CMP_DATA, bytes)
        case .lookup(let set, let register, let destination, let inverted):
            writer.set(NFTNL_EXPR_LOOKUP_SREG, register)
            writer.set(NFTNL_EXPR_LOOKUP_SET, set)
            if let destination { writer.set(NFTNL_EXPR_LOOKUP_DREG, destination) }
            if inverted { writer.set(NFTNL_EXPR_LOOKUP_FLAGS, lookupInverted) }
        case .destinationNAT(let family, let address, let port):
            writer.set(NFTNL_EXPR_NAT_TYPE, natDestination)
            writer.set(NFTNL_EXPR_NAT_FAMILY, family)
            writer.set(NFTNL_EXPR_NAT_REG_ADDR_MIN, address)
            if let port { writer.set(NFTNL_EXPR_NAT_REG_PROTO_MIN, port) }
        case .masquerade(let flags): writer.set(NFTNL_EXPR_MASQ_FLAGS, flags)
        case .verdict(let verdict):
            writer.set(NFTNL_EXPR_IMM_DREG, 0)
            writer.set(NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: verdict.code))
            if let chain = verdict.chain { writer.set(NFTNL_EXPR_IMM_CHAIN, chain) }
        case .reject(let type, let code):
            writer.set(NFTNL_EXPR_REJECT_TYPE, type)
            nftnl_expr_set_u8(object, UInt16(NFTNL_EXPR_REJECT_CODE), code)
        case .other: break
        }
        nftnl_rule_add_expr(rule, object)
    }

    private static func numgen(_ writer: ExpressionWriter, _ type: UInt32, _ modulus: UInt32, _ register: Register) {
        writer.set(NFTNL_EXPR_NG_DREG, register)
        writer.set(NFTNL_EXPR_NG_MODULUS, modulus)
        writer.set(NFTNL_EXPR_NG_TYPE, type)
        writer.set(NFTNL_EXPR_NG_OFFSET, 0)
    }
}

extension StatefulExpression {
    /// A libnftnl expression, which belongs to whoever it is added to.
    func allocate() -> OpaquePointer? {
        guard let object = nftnl_expr_alloc(kernelName) else { return nil }
        let writer = ExpressionWriter(object: object)
        switch self {
        case .counter: break
        case .rateOver(let rate, let burst):
            writer.set(NFTNL_EXPR_LIMIT_RATE, long: rate)
            writer.set(NFTNL_EXPR_LIMIT_UNIT, long: 1)
            writer.set(NFTNL_EXPR_LIMIT_BURST, burst)
            writer.set(NFTNL_EXPR_LIMIT_TYPE, 0)
            writer.set(NFTNL_EXPR_LIMIT_FLAGS, inverted)
        case .connectionsOver(let count):
            writer.set(NFTNL_EXPR_CONNLIMIT_COUNT, count)
            writer.set(NFTNL_EXPR_CONNLIMIT_FLAGS, inverted)
        }
        return object
    }
}

/// Reads the attributes of a libnftnl expression. What is absent reads as nil.
private struct ExpressionReader {
    let object: OpaquePointer

    func has(_ attribute: Int) -> Bool { nftnl_expr_is_set(object, UInt16(truncatingIfNeeded: attribute)) }

    func number(_ attribute: Int) -> UInt32? {
        has(attribute) ? nftnl_expr_get_u32(object, UInt16(truncatingIfNeeded: attribute)) : nil
    }

    func longNumber(_ attribute: Int) -> UInt64? {
        has(attribute) ? nftnl_expr_get_u64(object, UInt16(truncatingIfNeeded: attribute)) : nil
    }

    func register(_ attribute: Int) -> Register? { number(attribute).map { Register(number: $0) } }

    func text(_ attribute: Int) -> String? {
        guard has(attribute), let text = nftnl_expr_get_str(object, UInt16(truncatingIfNeeded: attribute)) else {
            return nil
        }
        return String(cString: text)
    }

    func bytes(_ attribute: Int) -> [UInt8]? {
        var length: UInt32 = 0
        guard has(attribute), let start = nftnl_expr_get(object, UInt16(truncatingIfNeeded: attribute), &length) else {
            return nil
        }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(length)))
    }
}

extension Expression {
    /// Reads one instruction of a rule; whatever no rule of ours has becomes ``Expression/other(name:)``.
    init(_ object: OpaquePointer) {
        let name = nftnl_expr_get_str(object, UInt16(NFTNL_EXPR_NAME)).map { String(cString: $0) } ?? "?"
        self = Self.known(name, ExpressionReader(object: object)) ?? .other(name: name)
    }

    private static func known(_ name: String, _ reader: ExpressionReader) -> Expression? {
        switch name {
        case "payload": payload(reader)
        case "meta": meta(reader)
        case "ct": connection(reader)
        case "fib": addressType(reader)
        case "numgen": numgen(reader)
        case "hash": hash(reader)
        case "dynset": updateSet(reader)
        case "bitwise": bitwise(reader)
        case "byteorder": toNetworkOrder(reader)
        case "cmp": compare(reader)
        case "lookup": lookup(reader)
        case "nat": destinationNAT(reader)
        case "masq": masquerade(reader)
        case "immediate": verdict(reader)
        case "reject": reject(reader)
        default: nil
        }
    }

    private static func payload(_ reader: ExpressionReader) -> Expression? {
        guard let base = reader.number(NFTNL_EXPR_PAYLOAD_BASE).flatMap(PayloadBase.init),
            let offset = reader.number(NFTNL_EXPR_PAYLOAD_OFFSET), let length = reader.number(NFTNL_EXPR_PAYLOAD_LEN)
        else { return nil }
        if let register = reader.register(NFTNL_EXPR_PAYLOAD_DREG) {
            return .payload(base: base, offset: offset, length: length, register)
        }
        guard let source = reader.register(NFTNL_EXPR_PAYLOAD_SREG),
            reader.number(NFTNL_EXPR_PAYLOAD_FLAGS) == pseudoHeader
        else { return nil }
        let hasChecksum = (reader.number(NFTNL_EXPR_PAYLOAD_CSUM_TYPE) ?? 0) == internetChecksum
        return .setPayload(
            base: base, offset: offset, length: length, source,
            checksumOffset: hasChecksum ? reader.number(NFTNL_EXPR_PAYLOAD_CSUM_OFFSET) : nil)
    }

    private static func meta(_ reader: ExpressionReader) -> Expression? {
        guard let key = reader.number(NFTNL_EXPR_META_KEY).flatMap(MetaKey.init) else { return nil }
        if let source = reader.register(NFTNL_EXPR_META_SREG) { return .setMeta(key, source) }
        return reader.register(NFTNL_EXPR_META_DREG).map { .meta(key, $0) }
    }

    private static func connection(_ reader: ExpressionReader) -> Expression? {
        guard !reader.has(NFTNL_EXPR_CT_SREG),
            let key = reader.number(NFTNL_EXPR_CT_KEY).flatMap(ConnectionKey.init),
            let register = reader.register(NFTNL_EXPR_CT_DREG)
        else { return nil }
        // Both directions have the same protocol, whichever the kernel names.
        guard reader.has(NFTNL_EXPR_CT_DIR), key != .transportProtocol else { return .connection(key, register) }
        let direction = nftnl_expr_get_u8(reader.object, UInt16(NFTNL_EXPR_CT_DIR))
        return TupleDirection(rawValue: direction).map { .connectionTuple(key, $0, register) }
    }

    private static func addressType(_ reader: ExpressionReader) -> Expression? {
        guard reader.number(NFTNL_EXPR_FIB_RESULT) == fibResultAddressType,
            let which = reader.number(NFTNL_EXPR_FIB_FLAGS).flatMap(RouteLookup.init),
            let register = reader.register(NFTNL_EXPR_FIB_DREG)
        else { return nil }
        return .addressType(which, register)
    }

    private static func numgen(_ reader: ExpressionReader) -> Expression? {
        guard (reader.number(NFTNL_EXPR_NG_OFFSET) ?? 0) == 0,
            let modulus = reader.number(NFTNL_EXPR_NG_MODULUS), let register = reader.register(NFTNL_EXPR_NG_DREG)
        else { return nil }
        switch reader.number(NFTNL_EXPR_NG_TYPE) {
        case numgenRandom: return .random(modulus: modulus, register)
        case numgenIncremental: return .increment(modulus: modulus, register)
        default: return nil
        }
    }

    private static func hash(_ reader: ExpressionReader) -> Expression? {
        guard (reader.number(NFTNL_EXPR_HASH_TYPE) ?? 0) == 0, (reader.number(NFTNL_EXPR_HASH_OFFSET) ?? 0) == 0,
            let source = reader.register(NFTNL_EXPR_HASH_SREG), let register = reader.register(NFTNL_EXPR_HASH_DREG),
            let length = reader.number(NFTNL_EXPR_HASH_LEN), let modulus = reader.number(NFTNL_EXPR_HASH_MODULUS),
            let seed = reader.number(NFTNL_EXPR_HASH_SEED)
        else { return nil }
        return .hash(source, length: length, seed: seed, modulus: modulus, register)
    }

    private static func updateSet(_ reader: ExpressionReader) -> Expression? {
        guard let operation = reader.number(NFTNL_EXPR_DYNSET_OP).flatMap(SetOperation.init),
            let set = reader.text(NFTNL_EXPR_DYNSET_SET_NAME), let key = reader.register(NFTNL_EXPR_DYNSET_SREG_KEY),
            (reader.number(NFTNL_EXPR_DYNSET_FLAGS) ?? 0) & dynsetInverted == 0
        else { return nil }
        var expression: StatefulExpression?
        if reader.has(Int(NFTNL_EXPR_DYNSET_EXPR)) {
            var length: UInt32 = 0
            guard let object = nftnl_expr_get(reader.object, UInt16(NFTNL_EXPR_DYNSET_EXPR), &length),
                let known = StatefulExpression(OpaquePointer(object))
            else { return nil }
            expression = known
        }
        return .updateSet(
            operation, set: set, key: key, data: reader.register(NFTNL_EXPR_DYNSET_SREG_DATA),
            timeout: reader.longNumber(NFTNL_EXPR_DYNSET_TIMEOUT) ?? 0, expression)
    }

    private static func bitwise(_ reader: ExpressionReader) -> Expression? {
        guard (reader.number(NFTNL_EXPR_BITWISE_OP) ?? 0) == 0,
            let source = reader.register(NFTNL_EXPR_BITWISE_SREG),
            source == reader.register(NFTNL_EXPR_BITWISE_DREG),
            let mask = reader.bytes(NFTNL_EXPR_BITWISE_MASK), let xor = reader.bytes(NFTNL_EXPR_BITWISE_XOR)
        else { return nil }
        return .bitwise(source, mask: mask, xor: xor)
    }

    private static func toNetworkOrder(_ reader: ExpressionReader) -> Expression? {
        guard reader.number(NFTNL_EXPR_BYTEORDER_OP) == hostToNetwork,
            let source = reader.register(NFTNL_EXPR_BYTEORDER_SREG),
            source == reader.register(NFTNL_EXPR_BYTEORDER_DREG),
            let length = reader.number(NFTNL_EXPR_BYTEORDER_LEN), let size = reader.number(NFTNL_EXPR_BYTEORDER_SIZE)
        else { return nil }
        return .toNetworkOrder(source, length: length, size: size)
    }

    private static func compare(_ reader: ExpressionReader) -> Expression? {
        guard let comparison = reader.number(NFTNL_EXPR_CMP_OP).flatMap(Comparison.init),
            let register = reader.register(NFTNL_EXPR_CMP_SREG), let bytes = reader.bytes(NFTNL_EXPR_CMP_DATA)
        else { return nil }
        return .compare(register, comparison, bytes)
    }

    private static func lookup(_ reader: ExpressionReader) -> Expression? {
        guard let set = reader.text(NFTNL_EXPR_LOOKUP_SET), let register = reader.register(NFTNL_EXPR_LOOKUP_SREG)
        else { return nil }
        let flags = reader.number(NFTNL_EXPR_LOOKUP_FLAGS) ?? 0
        guard flags & ~lookupInverted == 0 else { return nil }
        return .lookup(
            set: set, register, destination: reader.register(NFTNL_EXPR_LOOKUP_DREG),
            inverted: flags & lookupInverted != 0)
    }

    /// The kernel fills the upper ends of the ranges with the lower ones, and notes in the flags what is given.
    private static func destinationNAT(_ reader: ExpressionReader) -> Expression? {
        guard reader.number(NFTNL_EXPR_NAT_TYPE) == natDestination,
            (reader.number(NFTNL_EXPR_NAT_FLAGS) ?? 0) & ~natRangeGiven == 0,
            let family = reader.number(NFTNL_EXPR_NAT_FAMILY),
            let address = reader.register(NFTNL_EXPR_NAT_REG_ADDR_MIN),
            (reader.register(NFTNL_EXPR_NAT_REG_ADDR_MAX) ?? address) == address
        else { return nil }
        let port = reader.register(NFTNL_EXPR_NAT_REG_PROTO_MIN)
        guard (reader.register(NFTNL_EXPR_NAT_REG_PROTO_MAX) ?? port) == port else { return nil }
        return .destinationNAT(familyNumber: family, address: address, port: port)
    }

    private static func masquerade(_ reader: ExpressionReader) -> Expression? {
        guard !reader.has(NFTNL_EXPR_MASQ_REG_PROTO_MIN) else { return nil }
        return .masquerade(flags: reader.number(NFTNL_EXPR_MASQ_FLAGS) ?? 0)
    }

    private static func verdict(_ reader: ExpressionReader) -> Expression? {
        guard let code = reader.number(NFTNL_EXPR_IMM_VERDICT) else { return nil }
        return .verdict(Verdict(code: Int32(bitPattern: code), chain: reader.text(NFTNL_EXPR_IMM_CHAIN)))
    }

    private static func reject(_ reader: ExpressionReader) -> Expression? {
        guard let type = reader.number(NFTNL_EXPR_REJECT_TYPE) else { return nil }
        return .reject(type: type, code: nftnl_expr_get_u8(reader.object, UInt16(NFTNL_EXPR_REJECT_CODE)))
    }
}

extension StatefulExpression {
    /// Reads an expression of an element or a rule; nil for one that no set of ours has.
    init?(_ object: OpaquePointer) {
        let reader = ExpressionReader(object: object)
        switch reader.text(Int(NFTNL_EXPR_NAME)) {
        case "counter": self = .counter
        case "limit":
            guard reader.number(NFTNL_EXPR_LIMIT_TYPE) == 0, reader.number(NFTNL_EXPR_LIMIT_FLAGS) == inverted,
                reader.longNumber(NFTNL_EXPR_LIMIT_UNIT) == 1, let rate = reader.longNumber(NFTNL_EXPR_LIMIT_RATE),
                let burst = reader.number(NFTNL_EXPR_LIMIT_BURST)
            else { return nil }
            self = .rateOver(perSecond: rate, burst: burst)
        case "connlimit":
            guard reader.number(NFTNL_EXPR_CONNLIMIT_FLAGS) == inverted,
                let count = reader.number(NFTNL_EXPR_CONNLIMIT_COUNT)
            else { return nil }
            self = .connectionsOver(count)
        default: return nil
        }
    }

    /// The kernel's name of the expression.
    var kernelName: String {
        switch self {
        case .counter: "counter"
        case .rateOver: "limit"
        case .connectionsOver: "connlimit"
        }
    }
}

extension Verdict {
    /// `NF_DROP`, `NF_ACCEPT` and `enum nft_verdicts`.
    fileprivate var code: Int32 {
        switch self {
        case .drop: 0
        case .accept: 1
        case .continue: -1
        case .jump: -3
        case .goto: -4
        case .return: -5
        case .other(let code): code
        }
    }

    fileprivate var chain: String? {
        switch self {
        case .jump(let chain), .goto(let chain): chain
        default: nil
        }
    }

    fileprivate init(code: Int32, chain: String?) {
        switch (code, chain) {
        case (0, _): self = .drop
        case (1, _): self = .accept
        case (-1, _): self = .continue
        case (-3, let chain?): self = .jump(chain)
        case (-4, let chain?): self = .goto(chain)
        case (-5, _): self = .return
        default: self = .other(code)
        }
    }
}

/// `NFT_FIB_RESULT_ADDRTYPE`.
private let fibResultAddressType: UInt32 = 3
/// `NFT_BYTEORDER_HTON`.
private let hostToNetwork: UInt32 = 1
/// `NFT_NG_RANDOM`.
private let numgenRandom: UInt32 = 1
/// `NFT_NG_INCREMENTAL`.
private let numgenIncremental: UInt32 = 0
/// `NFT_PAYLOAD_CSUM_INET`.
private let internetChecksum: UInt32 = 1
/// `NFT_PAYLOAD_L4CSUM_PSEUDOHDR`.
private let pseudoHeader: UInt32 = 1
/// `NFT_DYNSET_F_INV`.
private let dynsetInverted: UInt32 = 1
/// `NFT_LIMIT_F_INV`, `NFT_CONNLIMIT_F_INV`.
private let inverted: UInt32 = 1
/// `NFT_LOOKUP_F_INV`.
private let lookupInverted: UInt32 = 1
/// `NFT_NAT_DNAT`.
private let natDestination: UInt32 = 1
/// `NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED`.
private let natRangeGiven: UInt32 = 3
