/// One received message: its header's fields and the bytes behind it.
public struct Message {
    public let type: UInt16
    public let flags: MessageFlags
    public let sequence: UInt32
    /// The port of the sender; 0 is the kernel.
    public let port: UInt32
    /// Header and payload. Valid as long as the buffer it was read from.
    public let whole: UnsafeRawBufferPointer

    /// The bytes behind the header.
    public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: whole[messageHeaderLength...])
    }

    /// Why the dump that this message ends was broken off, a positive errno; nil if it is complete. The kernel puts the
    /// outcome of a dump behind the header of ``MessageType/done`` (netlink_dump_done in af_netlink.c).
    public var dumpErrno: Int32? {
        guard type == MessageType.done, payload.count >= MemoryLayout<Int32>.size else { return nil }
        let code = payload.loadUnaligned(as: Int32.self)
        return code < 0 ? Int32(clamping: -Int(code)) : nil
    }

    /// The attributes behind a fixed header of `length` bytes; empty if the message is shorter.
    public func attributes(after length: Int) -> AttributeReader {
        let payload = payload
        guard length <= payload.count else { return AttributeReader(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return AttributeReader(UnsafeRawBufferPointer(rebasing: payload[length...]))
    }
}

/// Walks the messages in a run of bytes. It stops before anything that is cut short.
public struct MessageReader: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer

    public init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    public mutating func next() -> Message? {
        guard rest.count >= messageHeaderLength else { return nil }
        let length = Int(rest.loadUnaligned(as: UInt32.self))
        guard length >= messageHeaderLength, length <= rest.count else { return nil }
        let whole = UnsafeRawBufferPointer(rebasing: rest[..<length])
        rest = UnsafeRawBufferPointer(rebasing: rest[Swift.min(netlinkAligned(length), rest.count)...])
        return Message(
            type: whole.loadUnaligned(fromByteOffset: 4, as: UInt16.self),
            flags: MessageFlags(rawValue: whole.loadUnaligned(fromByteOffset: 6, as: UInt16.self)),
            sequence: whole.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
            port: whole.loadUnaligned(fromByteOffset: 12, as: UInt32.self),
            whole: whole)
    }
}

/// One attribute: its type without the nesting and byte-order bits, and its bytes.
public struct Attribute {
    public let type: UInt16
    public let payload: UnsafeRawBufferPointer

    /// The attributes within.
    public var nested: AttributeReader { AttributeReader(payload) }

    /// A number in network byte order; nil unless the attribute is exactly as long as the number.
    public func bigEndian<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type = Number.self) -> Number? {
        guard payload.count == MemoryLayout<Number>.size else { return nil }
        return Number(bigEndian: payload.loadUnaligned(as: Number.self))
    }

    /// A number in host byte order; nil unless the attribute is exactly as long as the number.
    public func hostEndian<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type = Number.self) -> Number? {
        guard payload.count == MemoryLayout<Number>.size else { return nil }
        return payload.loadUnaligned(as: Number.self)
    }

    /// Text up to the first zero byte.
    public var string: String { String(decoding: payload.prefix { $0 != 0 }, as: UTF8.self) }
}

/// Walks the attributes in a run of bytes. It stops before anything that is cut short.
public struct AttributeReader: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer

    public init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    public mutating func next() -> Attribute? {
        guard rest.count >= attributeHeaderLength else { return nil }
        let length = Int(rest.loadUnaligned(as: UInt16.self))
        guard length >= attributeHeaderLength, length <= rest.count else { return nil }
        let type = rest.loadUnaligned(fromByteOffset: 2, as: UInt16.self) & 0x3fff
        let payload = UnsafeRawBufferPointer(rebasing: rest[attributeHeaderLength..<length])
        rest = UnsafeRawBufferPointer(rebasing: rest[Swift.min(netlinkAligned(length), rest.count)...])
        return Attribute(type: type, payload: payload)
    }

    /// The first attribute of a type.
    public func first(_ type: UInt16) -> Attribute? { first { $0.type == type } }
}
