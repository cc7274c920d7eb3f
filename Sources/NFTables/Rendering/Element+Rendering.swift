internal import NetAddress

// Elements in nft's language and JSON.

extension SetDefinition {
    /// `set ip svcctl cluster_services`.
    public var reference: String { "\(kind) \(family.nftName) \(table) \(name)" }

    /// A key in nft's language: `10.96.0.10 . tcp . 80`.
    public func text(of element: ElementKey) -> String { Self.line { write(element, nil, to: &$0) } }

    /// A whole element: `10.96.0.10 . tcp . 80 . 0 : 10.244.1.2 . 8080`.
    public func text(of element: ElementKey, _ value: ElementValue) -> String {
        Self.line { write(element, value, to: &$0) }
    }

    /// The longest element: five addresses' worth of text and a comment.
    static let longestLine = 512

    private static func line(_ write: (inout TextCursor) -> Void) -> String {
        withUnsafeTemporaryAllocation(byteCount: longestLine, alignment: 1) { memory in
            var cursor = TextCursor(memory)
            write(&cursor)
            return String(decoding: cursor.bytes, as: UTF8.self)
        }
    }

    func write(_ element: ElementKey, _ value: ElementValue, to text: inout TextCursor) {
        write(element, value.rangeEnd, to: &text)
        if let expression = value.expression { text.put(" \(expression)") }
        if let comment = value.comment {
            text.put(" comment \"" as StaticString)
            // nft has no escapes within quotes, so what cannot be quoted does not reach the text.
            for byte in comment.utf8 where byte != UInt8(ascii: "\"") && byte >= 0x20 && byte != 0x7f {
                text.put(byte)
            }
            text.put(UInt8(ascii: "\""))
        }
        if let endpoint = value.endpoint {
            text.put(" : " as StaticString)
            endpoint.address.write(to: &text)
            text.put(" . " as StaticString)
            text.put(decimal: UInt32(endpoint.port))
        } else if let address = value.address {
            text.put(" : " as StaticString)
            address.write(to: &text)
        }
    }

    private func write(_ element: ElementKey, _ end: ElementKey?, to text: inout TextCursor) {
        if element == .catchAll { return text.put(UInt8(ascii: "*")) }
        element.withBytes { bytes in
            var offset = 0
            for field in key {
                if offset > 0 { text.put(" . " as StaticString) }
                field.write(bytes, at: offset, to: &text)
                if let length = end.flatMap({ field.prefixLength(from: bytes, to: $0, at: offset) }) {
                    text.put(UInt8(ascii: "/"))
                    text.put(decimal: UInt32(length))
                }
                offset += field.paddedLength
            }
        }
    }

    /// A key as nft's JSON has it.
    private func json(of element: ElementKey, _ end: ElementKey?) -> JSON {
        element.withBytes { bytes in
            var offset = 0
            let parts = key.map { field -> JSON in
                defer { offset += field.paddedLength }
                let part = field.json(bytes, at: offset)
                guard let length = end.flatMap({ field.prefixLength(from: bytes, to: $0, at: offset) }) else {
                    return part
                }
                return ["prefix": ["addr": part, "len": .number(length)]]
            }
            return parts.count == 1 ? parts[0] : ["concat": .array(parts)]
        }
    }

    /// A whole element as nft's JSON has it, with counters at zero where the set counts.
    func json(of element: ElementKey, _ value: ElementValue) -> JSON {
        var key = json(of: element, value.rangeEnd)
        var details: [JSON.Member] = []
        if let comment = value.comment { details.append(.init("comment", .string(comment))) }
        if case .object(let expression) = (value.expression ?? self.expression)?.json { details += expression }
        if !details.isEmpty { key = ["elem": .object([.init("val", key)] + details)] }
        if let address = value.address { return [key, .string(address.description)] }
        guard let endpoint = value.endpoint else { return key }
        return [key, ["concat": [.string(endpoint.address.description), .number(Int(endpoint.port))]]]
    }
}

extension Field {
    private enum Value {
        case address(IPAddress)
        case transport(TransportProtocol)
        case number(UInt32)
    }

    /// The part's value in a key; nil where the key is too short.
    private func value(_ key: UnsafeRawBufferPointer, at offset: Int) -> Value? {
        guard offset >= 0, offset + length <= key.count else { return nil }
        switch self {
        case .sourceAddress, .destinationAddress, .originalSource, .originalDestination, .replySource:
            return IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: key[offset..<offset + length]))
                .map { .address($0) }
        case .transportProtocol, .connectionProtocol:
            let number = key[offset]
            return TransportProtocol(rawValue: number).map { .transport($0) } ?? .number(UInt32(number))
        case .destinationPort, .originalDestinationPort:
            return .number(UInt32(UInt16(bigEndian: key.loadUnaligned(fromByteOffset: offset, as: UInt16.self))))
        case .randomSlot, .nextSlot, .sourceSlot:
            return .number(key.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
    }

    /// How many leading bits both ends of a range share in this part; nil if all do, or if the part is no address.
    fileprivate func prefixLength(from start: UnsafeRawBufferPointer, to end: ElementKey, at offset: Int) -> Int? {
        switch self {
        case .sourceAddress, .destinationAddress: break
        default: return nil
        }
        return end.withBytes { end in
            guard offset + length <= start.count, offset + length <= end.count else { return nil }
            for index in 0..<length {
                let different = start[offset + index] ^ end[offset + index]
                if different != 0 { return index * 8 + different.leadingZeroBitCount }
            }
            return nil
        }
    }

    fileprivate func write(_ key: UnsafeRawBufferPointer, at offset: Int, to text: inout TextCursor) {
        switch value(key, at: offset) {
        case .address(let address): address.write(to: &text)
        case .transport(let transport): transport.write(to: &text)
        case .number(let number): text.put(decimal: number)
        case nil: text.put(UInt8(ascii: "?"))
        }
    }

    fileprivate func json(_ key: UnsafeRawBufferPointer, at offset: Int) -> JSON {
        switch value(key, at: offset) {
        case .address(let address): .string(address.description)
        case .transport(let transport): .string(transport.description)
        case .number(let number): .number(Int(number))
        case nil: nil
        }
    }
}
