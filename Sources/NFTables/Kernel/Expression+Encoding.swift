internal import CNetfilter

// Instructions to libnftnl's objects. The attributes are those of libnftnl/expr.h; values are in host byte order there,
// data as raw bytes.

/// A libnftnl expression that is being filled, owned by the rule it is added to.
struct ExpressionWriter {
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

    /// Hands over a copy of the bytes, which libnftnl frees: so it does with the structures of `nft_compat`.
    func give(_ attribute: Int, _ bytes: [UInt8]) {
        guard let copy = malloc(Swift.max(bytes.count, 1)) else { return }
        bytes.withUnsafeBytes { raw in
            if let start = raw.baseAddress { copy.copyMemory(from: start, byteCount: raw.count) }
        }
        nftnl_expr_set(object, UInt16(truncatingIfNeeded: attribute), copy, UInt32(truncatingIfNeeded: bytes.count))
    }

    func set(_ attribute: Int, _ text: String) {
        nftnl_expr_set_str(object, UInt16(truncatingIfNeeded: attribute), text)
    }
}

extension Expression {
    /// The kernel's name of the expression.
    var name: String {
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
        case .counter: "counter"
        case .match: "match"
        case .target: "target"
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
        case .match(let name, let revision, let payload):
            writer.set(NFTNL_EXPR_MT_NAME, name)
            writer.set(NFTNL_EXPR_MT_REV, revision)
            writer.give(NFTNL_EXPR_MT_INFO, payload)
        case .target(let name, let revision, let payload):
            writer.set(NFTNL_EXPR_TG_NAME, name)
            writer.set(NFTNL_EXPR_TG_REV, revision)
            writer.give(NFTNL_EXPR_TG_INFO, payload)
        case .counter, .other: break
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

extension Verdict {
    /// `NF_DROP`, `NF_ACCEPT` and `enum nft_verdicts`.
    var code: Int32 {
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

    var chain: String? {
        switch self {
        case .jump(let chain), .goto(let chain): chain
        default: nil
        }
    }

    init(code: Int32, chain: String?) {
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
