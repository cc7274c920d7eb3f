internal import NFTables
internal import NetAddress

/// The bytes of a packet's header, some of which a trace cannot know.
struct Header: Hashable {
    private(set) var bytes: [UInt8]
    /// A bit for each byte that is not known.
    private var unknown: UInt64

    private init(_ bytes: [UInt8], known: [Range<Int>]) {
        self.bytes = bytes
        unknown = .max
        for range in known { setKnown(range) }
    }

    private mutating func setKnown(_ range: Range<Int>) {
        for index in range where index < 64 { unknown &= ~(1 << UInt64(index)) }
    }

    /// Bytes of the header, nil if any of them is not known.
    func read(_ offset: Int, _ length: Int) -> ArraySlice<UInt8>? {
        guard offset >= 0, length >= 0, offset <= bytes.count, length <= bytes.count - offset else { return nil }
        for index in offset..<offset + length where index >= 64 || unknown >> UInt64(index) & 1 != 0 { return nil }
        return bytes[offset..<offset + length]
    }

    /// Writes bytes, or makes them unknown.
    mutating func write(_ new: some Collection<UInt8>, at offset: Int) {
        guard offset >= 0, offset <= bytes.count, new.count <= bytes.count - offset else { return }
        for (index, byte) in new.enumerated() { bytes[offset + index] = byte }
        setKnown(offset..<offset + new.count)
    }

    mutating func forget(_ range: Range<Int>) {
        for index in range.clamped(to: 0..<min(bytes.count, 64)) {
            bytes[index] = 0
            unknown |= 1 << UInt64(index)
        }
    }
}

extension Header {
    /// An IPv4 header (RFC 791) or an IPv6 header (RFC 8200) without options. Lengths, identifiers and hop counts are not
    /// known.
    static func network(_ packet: Packet) -> Header {
        let addresses = packet.source.networkBytes + packet.destination.address.networkBytes
        let transport = packet.transport.rawValue
        switch packet.family {
        case .ipv4:
            let head: [UInt8] = [0x45, 0, 0, 0, 0, 0, 0, 0, 0, transport, 0, 0]
            return Header(head + addresses, known: [0..<1, 9..<10, 12..<20])
        case .ipv6:
            let head: [UInt8] = [0x60, 0, 0, 0, 0, 0, transport, 0]
            return Header(head + addresses, known: [6..<7, 8..<40])
        }
    }

    /// A TCP header with SYN alone, or a UDP or SCTP header.
    static func transport(_ packet: Packet) -> Header {
        let port = packet.destination.port
        var bytes = [UInt8](repeating: 0, count: packet.transport == .tcp ? 20 : packet.transport == .udp ? 8 : 12)
        if packet.transport == .tcp { bytes[13] = 2 }
        var header = Header(bytes, known: packet.transport == .tcp ? [13..<14] : [])
        header.write([UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port)], at: 2)
        if let port = packet.sourcePort {
            header.write([UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port)], at: 0)
        }
        return header
    }
}
