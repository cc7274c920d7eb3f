internal import NetAddress

// The userdata by which nft remembers from which expressions a set's type was made (`typeof`), so that it can print
// the elements. Entries are type, length and value, one byte each for the first two; numbers are in host byte order.
// Layouts: libnftnl's udata.h, and the build_udata functions of nftables' expressions.

/// Writes and reads nft's userdata entries.
struct Userdata: Equatable {
    var bytes: [UInt8] = []

    mutating func put(_ type: UInt8, number: UInt32) {
        bytes += [type, 4]
        withUnsafeBytes(of: number) { bytes += $0 }
    }

    mutating func put(_ type: UInt8, _ nested: Userdata) {
        bytes += [type, UInt8(truncatingIfNeeded: nested.bytes.count)]
        bytes += nested.bytes
    }

    /// Text with its closing zero byte. nft reads at most 128 characters.
    mutating func put(_ type: UInt8, text: String) {
        bytes += [type, UInt8(truncatingIfNeeded: text.utf8.count + 1)]
        bytes += Array(text.utf8)
        bytes.append(0)
    }

    /// The entries by type; stops before anything that is cut short.
    var entries: [UInt8: [UInt8]] {
        var entries: [UInt8: [UInt8]] = [:]
        var rest = bytes[...]
        while rest.count >= 2, let type = rest.popFirst(), let length = rest.popFirst(), rest.count >= length {
            entries[type] = Array(rest.prefix(Int(length)))
            rest = rest.dropFirst(Int(length))
        }
        return entries
    }

    func number(_ type: UInt8) -> UInt32? {
        guard let value = entries[type], value.count == 4 else { return nil }
        return value.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    }

    func nested(_ type: UInt8) -> Userdata? { entries[type].map { Userdata(bytes: $0) } }

    func text(_ type: UInt8) -> String? {
        entries[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// nft's numbers for kinds of expression (`enum expr_types`).
private enum ExpressionKind {
    static let payload: UInt32 = 7
    static let meta: UInt32 = 9
    static let concatenation: UInt32 = 13
    static let numgen: UInt32 = 23
}

/// nft's numbers for protocol headers (`enum proto_desc_id`).
private enum HeaderKind {
    static let transport: UInt32 = 11
    static let ipv4: UInt32 = 12
    static let ipv6: UInt32 = 13
}

extension Field {
    /// The expression's kind (entry 0) and its details (entry 1).
    var userdata: Userdata {
        var details = Userdata()
        var kind = ExpressionKind.payload
        switch self {
        case .sourceAddress(let family):
            details.put(0, number: family == .ipv4 ? HeaderKind.ipv4 : HeaderKind.ipv6)
            details.put(1, number: family == .ipv4 ? 11 : 8)
        case .destinationAddress(let family):
            details.put(0, number: family == .ipv4 ? HeaderKind.ipv4 : HeaderKind.ipv6)
            details.put(1, number: family == .ipv4 ? 12 : 9)
        case .destinationPort:
            details.put(0, number: HeaderKind.transport)
            details.put(1, number: 2)
        case .transportProtocol:
            kind = ExpressionKind.meta
            details.put(0, number: MetaKey.transportProtocol.rawValue)
        case .randomSlot(let modulus):
            kind = ExpressionKind.numgen
            details.put(0, number: 1)
            details.put(1, number: modulus)
            details.put(2, number: 0)
        case .nextSlot, .sourceSlot, .originalSource, .originalDestination, .originalDestinationPort,
            .connectionProtocol, .replySource:
            // No set is declared by these.
            return Userdata()
        }
        var entry = Userdata()
        entry.put(0, number: kind)
        entry.put(1, details)
        return entry
    }

    init?(_ userdata: Userdata) {
        guard let kind = userdata.number(0), let details = userdata.nested(1), let first = details.number(0) else {
            return nil
        }
        switch (kind, first, details.number(1)) {
        case (ExpressionKind.payload, HeaderKind.ipv4, 11): self = .sourceAddress(.ipv4)
        case (ExpressionKind.payload, HeaderKind.ipv4, 12): self = .destinationAddress(.ipv4)
        case (ExpressionKind.payload, HeaderKind.ipv6, 8): self = .sourceAddress(.ipv6)
        case (ExpressionKind.payload, HeaderKind.ipv6, 9): self = .destinationAddress(.ipv6)
        case (ExpressionKind.payload, HeaderKind.transport, 2): self = .destinationPort
        case (ExpressionKind.meta, MetaKey.transportProtocol.rawValue, nil): self = .transportProtocol
        case (ExpressionKind.numgen, 1, let modulus?) where details.number(2) == 0: self = .randomSlot(modulus: modulus)
        default: return nil
        }
    }
}

extension [Field] {
    /// A single part as it is; several as a concatenation whose details hold the parts by number.
    var userdata: Userdata {
        if let only = first, count == 1 { return only.userdata }
        var parts = Userdata()
        for (index, field) in enumerated() { parts.put(UInt8(truncatingIfNeeded: index), field.userdata) }
        var entry = Userdata()
        entry.put(0, number: ExpressionKind.concatenation)
        entry.put(1, parts)
        return entry
    }

    init?(_ userdata: Userdata) {
        guard userdata.number(0) == ExpressionKind.concatenation else {
            guard let only = Field(userdata) else { return nil }
            self = [only]
            return
        }
        guard let parts = userdata.nested(1) else { return nil }
        let entries = parts.entries.sorted { $0.key < $1.key }
        let fields = entries.compactMap { Field(Userdata(bytes: $0.value)) }
        guard fields.count == entries.count, !fields.isEmpty else { return nil }
        self = fields
    }
}
