import Glibc
public import NetAddress

/// Sends segments of a TCP connection that its server has never sent.
///
/// Make it before the connection: it must hear what the client sends, to know where the connection stands.
public final class TCPForger: Sendable {
    /// What a host answers to a segment that it did not expect.
    public enum Answer: Sendable {
        /// It knows the connection, and says what it has got so far.
        case acknowledged
        /// It knows no such connection, and ends it.
        case reset
    }

    private let socket: Socket
    private let server: SocketAddress

    /// A server of which the namespace has the address.
    public init(in namespace: NetworkNamespace, _ address: IPAddress, port: UInt16) throws {
        server = SocketAddress(address: address, port: port)
        socket = try namespace.run {
            let type = Int32(SOCK_RAW.rawValue) | Socket.flags
            let domain = address.family.socketDomain
            let socket = Socket(descriptor: try Descriptor("socket", Glibc.socket(domain, type, Int32(IPPROTO_TCP))))
            try socket.bind(SocketAddress(address: address, port: 0))
            return socket
        }
    }

    /// Sends a client bytes that lie far ahead of all that it may expect, and waits for the answer; throws
    /// ``SystemCallError``, ETIMEDOUT if none comes.
    ///
    /// It sends two segments, and two acknowledgements are an answer: one may be late, and mean what the server has
    /// really sent.
    ///
    /// The acknowledgement in it is right, so a reset in answer to it has the number that the server's host accepts.
    public func sendOutOfWindow(
        to address: IPAddress, port: UInt16, timeout: Duration = .seconds(10)
    ) throws -> Answer {
        let deadline = Deadline(timeout)
        let client = SocketAddress(address: address, port: port)
        var last = try segment(from: client, deadline)
        while let next = nextSegment(from: client) { last = next }
        let forged = Segment(
            source: server, destination: client, sequence: last.acknowledgement &+ Self.distance,
            acknowledgement: last.end, flags: Segment.acknowledges | Segment.pushes, payload: [UInt8(ascii: "!")])
        let peer = SocketAddress(address: address, port: 0)
        let bytes = forged.encoded
        for _ in 0..<2 {
            try check(
                "sendto",
                bytes.withUnsafeBytes { bytes in
                    peer.withSockaddr { sendto(socket.descriptor.number, bytes.baseAddress, bytes.count, 0, $0, $1) }
                })
        }
        for _ in 0..<2 {
            let answer = try segment(from: client, deadline)
            if answer.flags & Segment.resets != 0 { return .reset }
        }
        return .acknowledged
    }

    /// More than any window, and less than half of the sequence numbers, so that it lies ahead.
    private static let distance: UInt32 = 500_000_000

    private func segment(from client: SocketAddress, _ deadline: Deadline) throws -> Segment {
        while true {
            if let segment = nextSegment(from: client) { return segment }
            try socket.wait(POLLIN, deadline)
        }
    }

    /// The next segment that has arrived; nil if none has.
    private func nextSegment(from client: SocketAddress) -> Segment? {
        while true {
            let (packet, sender) = socket.receiveWithSender()
            guard let packet, let sender else { return nil }
            let segment = Segment(packet, from: sender.address, to: server.address)
            if let segment, segment.source == client, segment.destination == server { return segment }
        }
    }
}

/// A TCP segment (RFC 9293, section 3.1).
struct Segment {
    var source: SocketAddress
    var destination: SocketAddress
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: UInt8
    var payload: [UInt8]

    static let resets: UInt8 = 4
    static let pushes: UInt8 = 8
    static let acknowledges: UInt8 = 16

    /// The sequence number after it. Nothing here begins or ends a connection, which would count too.
    var end: UInt32 { sequence &+ UInt32(truncatingIfNeeded: payload.count) }
}

extension Segment {
    private static let headerLength = 20

    /// Takes apart what a raw socket got; IPv4 sockets give the IP header too.
    init?(_ packet: [UInt8], from source: IPAddress, to destination: IPAddress) {
        let start = source.family == .ipv4 ? Int((packet.first ?? 0) & 0xf) * 4 : 0
        let bytes = Array(packet.dropFirst(start))
        guard bytes.count >= Self.headerLength else { return nil }
        func number(at index: Int, bytes count: Int) -> UInt32 {
            bytes[index..<index + count].reduce(0) { $0 << 8 | UInt32($1) }
        }
        self.source = SocketAddress(address: source, port: UInt16(number(at: 0, bytes: 2)))
        self.destination = SocketAddress(address: destination, port: UInt16(number(at: 2, bytes: 2)))
        sequence = number(at: 4, bytes: 4)
        acknowledgement = number(at: 8, bytes: 4)
        flags = bytes[13]
        payload = Array(bytes.dropFirst(Int(bytes[12] >> 4) * 4))
    }

    /// Without options, with a checksum.
    var encoded: [UInt8] {
        func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        let window = bytes(UInt16.max)
        let start = bytes(source.port) + bytes(destination.port) + bytes(sequence) + bytes(acknowledgement)
        let offset = UInt8(Self.headerLength / 4) << 4
        func segment(_ checksum: UInt16) -> [UInt8] {
            start + [offset, flags] + window + bytes(checksum) + [0, 0] + payload
        }
        let whole = segment(0)
        // The pseudo header's sum is the same for both families: addresses, length and protocol (RFC 9293, RFC 8200).
        let pseudoHeader =
            source.address.networkBytes + destination.address.networkBytes
            + bytes(UInt32(truncatingIfNeeded: whole.count)) + bytes(UInt32(TransportProtocol.tcp.rawValue))
        return segment(Self.checksum(of: pseudoHeader + whole))
    }

    /// The ones' complement of the ones' complement sum (RFC 1071).
    private static func checksum(of bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            let low = index + 1 < bytes.count ? bytes[index + 1] : 0
            sum += UInt32(bytes[index]) << 8 | UInt32(low)
        }
        while sum > 0xffff { sum = sum >> 16 + sum & 0xffff }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}
