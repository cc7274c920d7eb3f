internal import CNetfilter

// Instructions from libnftnl's objects.

/// Reads the attributes of a libnftnl expression. What is absent reads as nil.
struct ExpressionReader {
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

    /// A conversion that finds no whole number to convert.
    var doesNothing: Bool {
        guard case .toNetworkOrder(_, let length, let size) = self else { return false }
        return length < size
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
        case "counter": .counter
        case "match": match(reader)
        case "target": target(reader)
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

    private static func match(_ reader: ExpressionReader) -> Expression? {
        guard let name = reader.text(NFTNL_EXPR_MT_NAME), let revision = reader.number(NFTNL_EXPR_MT_REV),
            let payload = reader.bytes(NFTNL_EXPR_MT_INFO)
        else { return nil }
        return .match(name: name, revision: revision, payload: payload)
    }

    private static func target(_ reader: ExpressionReader) -> Expression? {
        guard let name = reader.text(NFTNL_EXPR_TG_NAME), let revision = reader.number(NFTNL_EXPR_TG_REV),
            let payload = reader.bytes(NFTNL_EXPR_TG_INFO)
        else { return nil }
        return .target(name: name, revision: revision, payload: payload)
    }

    private static func reject(_ reader: ExpressionReader) -> Expression? {
        guard let type = reader.number(NFTNL_EXPR_REJECT_TYPE) else { return nil }
        return .reject(type: type, code: nftnl_expr_get_u8(reader.object, UInt16(NFTNL_EXPR_REJECT_CODE)))
    }
}
