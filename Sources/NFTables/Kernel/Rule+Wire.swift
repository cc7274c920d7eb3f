internal import CNetfilter
internal import NetlinkWire

// Rules of the older packet filter straight into a batch: there may be hundreds of thousands, each with an extension's
// structure that libnftnl would want a copy of.

extension Rule {
    /// Whether all instructions are of those that are written here, and fit into one attribute.
    var isWrittenByHand: Bool {
        var length = 0
        for expression in expressions {
            guard expression.isWrittenByHand else { return false }
            length += expression.longestEncoding
        }
        return length < 60_000
    }

    /// Appends the attributes of a message that makes the rule, in libnftnl's order.
    func write(to buffer: inout MessageBuffer, _ chain: Chain, _ place: (attribute: UInt16, handle: UInt64)?) {
        buffer.attribute(UInt16(NFTA_RULE_TABLE.rawValue), string: chain.table)
        buffer.attribute(UInt16(NFTA_RULE_CHAIN.rawValue), string: chain.name)
        if let place { buffer.attribute(place.attribute, bigEndian: place.handle) }
        let list = buffer.openNest(UInt16(NFTA_RULE_EXPRESSIONS.rawValue))
        for expression in expressions {
            let element = buffer.openNest(UInt16(NFTA_LIST_ELEM.rawValue))
            buffer.attribute(UInt16(NFTA_EXPR_NAME.rawValue), string: expression.name)
            let data = buffer.openNest(UInt16(NFTA_EXPR_DATA.rawValue))
            expression.write(to: &buffer)
            buffer.closeNest(data)
            buffer.closeNest(element)
        }
        buffer.closeNest(list)
        if let compatibility {
            let nest = buffer.openNest(UInt16(NFTA_RULE_COMPAT.rawValue))
            buffer.attribute(
                UInt16(NFTA_RULE_COMPAT_PROTO.rawValue), bigEndian: UInt32(compatibility.protocolNumber))
            buffer.attribute(UInt16(NFTA_RULE_COMPAT_FLAGS.rawValue), bigEndian: compatibility.flags)
            buffer.closeNest(nest)
        }
    }
}

extension Rule.Compatibility {
    /// `NFT_RULE_COMPAT_F_INV`, or nothing.
    var flags: UInt32 { isInverted ? 2 : 0 }
}

extension Expression {
    fileprivate var isWrittenByHand: Bool {
        switch self {
        case .payload, .meta, .bitwise, .compare, .verdict, .counter, .match, .target: true
        default: false
        }
    }

    /// Appends the attributes of the instruction. Numbers are in network byte order there.
    fileprivate func write(to buffer: inout MessageBuffer) {
        switch self {
        case .payload(let base, let offset, let length, let register):
            buffer.attribute(UInt16(NFTA_PAYLOAD_DREG.rawValue), bigEndian: register.number)
            buffer.attribute(UInt16(NFTA_PAYLOAD_BASE.rawValue), bigEndian: base.rawValue)
            buffer.attribute(UInt16(NFTA_PAYLOAD_OFFSET.rawValue), bigEndian: offset)
            buffer.attribute(UInt16(NFTA_PAYLOAD_LEN.rawValue), bigEndian: length)
        case .meta(let key, let register):
            buffer.attribute(UInt16(NFTA_META_KEY.rawValue), bigEndian: key.rawValue)
            buffer.attribute(UInt16(NFTA_META_DREG.rawValue), bigEndian: register.number)
        case .bitwise(let register, let mask, let xor):
            buffer.attribute(UInt16(NFTA_BITWISE_SREG.rawValue), bigEndian: register.number)
            buffer.attribute(UInt16(NFTA_BITWISE_DREG.rawValue), bigEndian: register.number)
            buffer.attribute(UInt16(NFTA_BITWISE_LEN.rawValue), bigEndian: UInt32(truncatingIfNeeded: mask.count))
            Self.write(UInt16(NFTA_BITWISE_MASK.rawValue), mask, to: &buffer)
            Self.write(UInt16(NFTA_BITWISE_XOR.rawValue), xor, to: &buffer)
        case .compare(let register, let comparison, let bytes):
            buffer.attribute(UInt16(NFTA_CMP_SREG.rawValue), bigEndian: register.number)
            buffer.attribute(UInt16(NFTA_CMP_OP.rawValue), bigEndian: comparison.rawValue)
            Self.write(UInt16(NFTA_CMP_DATA.rawValue), bytes, to: &buffer)
        case .verdict(let verdict): Self.write(verdict, to: &buffer)
        case .match(let name, let revision, let payload):
            buffer.attribute(UInt16(NFTA_MATCH_NAME.rawValue), string: name)
            buffer.attribute(UInt16(NFTA_MATCH_REV.rawValue), bigEndian: revision)
            buffer.attribute(UInt16(NFTA_MATCH_INFO.rawValue), bytes: payload)
        case .target(let name, let revision, let payload):
            buffer.attribute(UInt16(NFTA_TARGET_NAME.rawValue), string: name)
            buffer.attribute(UInt16(NFTA_TARGET_REV.rawValue), bigEndian: revision)
            buffer.attribute(UInt16(NFTA_TARGET_INFO.rawValue), bytes: payload)
        default: break
        }
    }

    private static func write(_ type: UInt16, _ value: [UInt8], to buffer: inout MessageBuffer) {
        let nest = buffer.openNest(type)
        buffer.attribute(UInt16(NFTA_DATA_VALUE.rawValue), bytes: value)
        buffer.closeNest(nest)
    }

    private static func write(_ verdict: Verdict, to buffer: inout MessageBuffer) {
        buffer.attribute(UInt16(NFTA_IMMEDIATE_DREG.rawValue), bigEndian: 0 as UInt32)
        let data = buffer.openNest(UInt16(NFTA_IMMEDIATE_DATA.rawValue))
        let nest = buffer.openNest(UInt16(NFTA_DATA_VERDICT.rawValue))
        buffer.attribute(UInt16(NFTA_VERDICT_CODE.rawValue), bigEndian: UInt32(bitPattern: verdict.code))
        if let chain = verdict.chain { buffer.attribute(UInt16(NFTA_VERDICT_CHAIN.rawValue), string: chain) }
        buffer.closeNest(nest)
        buffer.closeNest(data)
    }
}
