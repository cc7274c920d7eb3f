import Glibc
import NetAddress

/// Hears the ICMP errors that answer a connection attempt.
///
/// On a path without delay, as between namespaces, the error comes while `connect` still holds its socket, and the
/// kernel drops it (it counts `LockDroppedIcmps`); the caller hears of it a second later, after the next SYN. A raw
/// socket hears the first one.
struct ICMPListener: ~Copyable {
    let socket: Socket
    private let family: IPFamily

    /// An attempt to connect.
    struct Attempt: Hashable {
        let peer: SocketAddress
        let localPort: UInt16
    }

    /// Opens it on the calling thread's namespace. Open it before connecting.
    static func open(_ family: IPFamily) throws(SystemCallError) -> ICMPListener {
        let transport = family == .ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6
        let type = Int32(SOCK_RAW.rawValue) | Socket.flags
        let descriptor = try Descriptor("socket", Glibc.socket(family.socketDomain, type, Int32(transport)))
        return ICMPListener(socket: Socket(descriptor: descriptor), family: family)
    }

    /// The error number for an attempt, if an ICMP error about it has arrived.
    func failure(of attempt: Attempt) -> Int32? {
        while let (failed, number) = nextFailure() {
            if failed == attempt { return number }
        }
        return nil
    }

    /// The next error that has arrived about any attempt over TCP.
    func nextFailure() -> (attempt: Attempt, number: Int32)? {
        while let message = try? socket.receiveNow() {
            if let failure = failure(in: message[...]) { return failure }
        }
        return nil
    }

    /// Takes a message apart: ICMP header of 8 bytes, then the packet that it is about, cut short. IPv4 raw sockets
    /// give the outer IP header too.
    private func failure(in message: ArraySlice<UInt8>) -> (attempt: Attempt, number: Int32)? {
        var rest = message
        if family == .ipv4 { rest = rest.dropFirst(Self.ipv4HeaderLength(rest)) }
        let header = Array(rest.prefix(8))
        guard header.count == 8, let number = errorNumber(type: header[0], code: header[1]),
            let attempt = attempt(in: rest.dropFirst(8))
        else { return nil }
        return (attempt, number)
    }

    private func attempt(in packet: ArraySlice<UInt8>) -> Attempt? {
        let isIPv4 = family == .ipv4
        let bytes = Array(packet)
        let length = isIPv4 ? Self.ipv4HeaderLength(packet) : 40
        guard bytes.count >= length + 4, length >= 20, bytes[isIPv4 ? 9 : 6] == TransportProtocol.tcp.rawValue,
            let destination = IPAddress(networkBytes: isIPv4 ? bytes[16..<20] : bytes[24..<40])
        else { return nil }
        func port(at index: Int) -> UInt16 { UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1]) }
        return Attempt(
            peer: SocketAddress(address: destination, port: port(at: length + 2)), localPort: port(at: length))
    }

    private static func ipv4HeaderLength(_ packet: ArraySlice<UInt8>) -> Int { Int((packet.first ?? 0) & 0xf) * 4 }

    /// As the kernel converts them: net/ipv4/icmp.c `icmp_err_convert`, net/ipv6/icmp.c `icmpv6_err_convert`.
    private func errorNumber(type: UInt8, code: UInt8) -> Int32? {
        switch (family, type, code) {
        case (.ipv4, 3, 3), (.ipv6, 1, 4): ECONNREFUSED
        case (.ipv4, 3, 0), (.ipv4, 3, 6), (.ipv4, 3, 9), (.ipv6, 1, 0): ENETUNREACH
        case (.ipv4, 3, 1), (.ipv4, 3, 10), (.ipv4, 3, 13), (.ipv6, 1, 2), (.ipv6, 1, 3): EHOSTUNREACH
        case (.ipv6, 1, 1), (.ipv6, 1, 5), (.ipv6, 1, 6): EACCES
        default: nil
        }
    }
}
