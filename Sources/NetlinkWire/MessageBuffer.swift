/// A growing run of netlink messages, written front to back.
///
/// Messages and nested attributes are written by closures that compute their own lengths, so that nobody counts bytes
/// by hand. Headers are in host byte order and everything is padded to 4 bytes (linux/netlink.h).
///
/// The storage is one raw allocation instead of an array: a batch holds millions of small fields, and each append
/// is then a store without reference counting or uniqueness checks.
public struct MessageBuffer: ~Copyable {
    @usableFromInline var storage: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    /// Bytes written so far.
    @usableFromInline var written: Int

    /// Bytes written so far.
    @inlinable public var count: Int { written }

    /// An empty buffer with room for so many bytes; it grows when they are used up.
    public init(capacity: Int = 4096) {
        self.capacity = max(capacity, 64)
        storage = .allocate(byteCount: self.capacity, alignment: 8)
        written = 0
    }

    deinit { storage.deallocate() }

    /// What has been written.
    public var bytes: [UInt8] { unsafeBytes { Array($0) } }

    /// Calls a closure with the bytes in place. The pointer must not leave the closure.
    public func unsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: storage, count: count))
    }

    @usableFromInline
    mutating func grow(toFit needed: Int) {
        let larger = max(needed, capacity * 2)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
        moved.copyMemory(from: storage, byteCount: count)
        storage.deallocate()
        storage = moved
        capacity = larger
    }

    /// Makes room for so many more bytes and returns where they go. The pointer holds until the next call.
    @inlinable
    mutating func extend(by length: Int) -> UnsafeMutableRawPointer {
        let end = count + length
        if end > capacity { grow(toFit: end) }
        let place = storage + count
        written = end
        return place
    }

    // MARK: - Plain fields

    /// Appends an integer in host byte order, without padding.
    @inlinable
    public mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        extend(by: MemoryLayout<Number>.size).storeBytes(of: number, as: Number.self)
    }

    /// Appends bytes and then zeros up to a multiple of 4.
    @inlinable
    public mutating func appendPadded(_ bytes: UnsafeRawBufferPointer) {
        let padded = netlinkAligned(bytes.count)
        let place = extend(by: padded)
        if padded > bytes.count { (place + padded - 4).storeBytes(of: 0, as: UInt32.self) }
        if let source = bytes.baseAddress { place.copyMemory(from: source, byteCount: bytes.count) }
    }

    // MARK: - Attributes

    /// Appends an attribute that holds a 32-bit number in network byte order, as nf_tables has most of its numbers.
    public mutating func attribute(_ type: UInt16, bigEndian number: UInt32) {
        attributeHeader(type, payload: 4)
        append(number.bigEndian)
    }

    /// Appends an attribute that holds a 64-bit number in network byte order.
    public mutating func attribute(_ type: UInt16, bigEndian number: UInt64) {
        attributeHeader(type, payload: 8)
        append(number.bigEndian)
    }

    /// Appends an attribute that holds text with the closing zero byte that the kernel expects (NLA_STRING).
    public mutating func attribute(_ type: UInt16, string text: String) {
        var text = text
        text.withUTF8 { utf8 in
            attributeHeader(type, payload: utf8.count + 1)
            let padded = netlinkAligned(utf8.count + 1)
            let place = extend(by: padded)
            (place + padded - 4).storeBytes(of: 0, as: UInt32.self)
            if let source = utf8.baseAddress { place.copyMemory(from: source, byteCount: utf8.count) }
        }
    }

    /// Appends an attribute that holds bytes as they are.
    @inlinable
    public mutating func attribute(_ type: UInt16, bytes: UnsafeRawBufferPointer) {
        attributeHeader(type, payload: bytes.count)
        appendPadded(bytes)
    }

    /// Appends an attribute that holds bytes as they are.
    public mutating func attribute(_ type: UInt16, bytes: [UInt8]) {
        bytes.withUnsafeBytes { attribute(type, bytes: $0) }
    }

    /// Appends the four bytes that start an attribute; the caller appends `payload` bytes and their padding.
    @inlinable
    public mutating func attributeHeader(_ type: UInt16, payload: Int) {
        append(UInt16(truncatingIfNeeded: payload + attributeHeaderLength))
        append(type)
    }

    /// Appends an attribute that holds other attributes (NLA_F_NESTED is set).
    public mutating func nested<Failure: Error>(
        _ type: UInt16, _ body: (inout MessageBuffer) throws(Failure) -> Void
    ) throws(Failure) {
        let start = openNest(type)
        try body(&self)
        closeNest(start)
    }

    /// Starts a nested attribute and returns where; for loops that a closure would not fit.
    @inlinable
    public mutating func openNest(_ type: UInt16) -> Int {
        let start = count
        append(0 as UInt16)
        append(type | nestedFlag)
        return start
    }

    /// Ends the nested attribute that began at `start`.
    @inlinable
    public mutating func closeNest(_ start: Int) {
        (storage + start).storeBytes(of: UInt16(truncatingIfNeeded: count - start), as: UInt16.self)
    }

    // MARK: - Messages

    /// Appends a message: header, whatever the closure writes, and the length that comes of it.
    public mutating func message<Failure: Error>(
        type: UInt16, flags: MessageFlags, sequence: UInt32, _ body: (inout MessageBuffer) throws(Failure) -> Void
    ) throws(Failure) {
        let start = openMessage(type: type, flags: flags, sequence: sequence)
        try body(&self)
        closeMessage(start)
    }

    /// Starts a message and returns where; for loops that a closure would not fit.
    public mutating func openMessage(type: UInt16, flags: MessageFlags, sequence: UInt32) -> Int {
        let start = count
        append(0 as UInt32)
        append(type)
        append(flags.rawValue)
        append(sequence)
        append(0 as UInt32)
        return start
    }

    /// Adds flags to the message that began at `start`.
    public mutating func add(_ flags: MessageFlags, toMessageAt start: Int) {
        let known = (storage + start).loadUnaligned(fromByteOffset: 6, as: UInt16.self)
        (storage + start).storeBytes(of: known | flags.rawValue, toByteOffset: 6, as: UInt16.self)
    }

    /// Ends the message that began at `start`.
    public mutating func closeMessage(_ start: Int) {
        (storage + start).storeBytes(of: UInt32(truncatingIfNeeded: count - start), as: UInt32.self)
    }
}

/// Rounds up to the 4 bytes that netlink aligns everything to.
@inlinable
package func netlinkAligned(_ length: Int) -> Int { (length + 3) & ~3 }

/// `sizeof(struct nlattr)`.
@usableFromInline package let attributeHeaderLength = 4
/// `sizeof(struct nlmsghdr)`.
package let messageHeaderLength = 16
/// `NLA_F_NESTED`.
@usableFromInline let nestedFlag: UInt16 = 0x8000
