import Glibc
import NetAddress

/// An address and a port as the socket calls want them.
struct SocketAddress: Hashable {
    let address: IPAddress
    let port: UInt16

    // Both kinds have the port at 2; the address follows at 4, or after the flow information at 8 (netinet/in.h).
    private static let portOffset = 2
    private static func addressOffset(_ family: IPFamily) -> Int { family == .ipv4 ? 4 : 8 }

    /// Lends a `sockaddr` of the right kind and length.
    func withSockaddr<Output>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Output) -> Output {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { bytes in
            bytes.storeBytes(of: sa_family_t(address.family.socketDomain), as: sa_family_t.self)
            bytes.storeBytes(of: port.bigEndian, toByteOffset: Self.portOffset, as: UInt16.self)
            for (index, byte) in address.networkBytes.enumerated() {
                bytes.storeBytes(of: byte, toByteOffset: Self.addressOffset(address.family) + index, as: UInt8.self)
            }
        }
        let length = address.family == .ipv4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
        return withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }

    /// Lets a call fill in a `sockaddr`; returns the call's result, and the address if it was an IP address.
    static func filled<Output>(
        by call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Output
    ) -> (Output, SocketAddress?) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let output = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, &length) }
        }
        return (output, withUnsafeBytes(of: storage) { read($0) })
    }

    private static func read(_ bytes: UnsafeRawBufferPointer) -> SocketAddress? {
        let domain = Int32(bytes.loadUnaligned(as: sa_family_t.self))
        guard let family = IPFamily.allCases.first(where: { $0.socketDomain == domain }) else { return nil }
        let addressBytes = bytes.dropFirst(addressOffset(family)).prefix(family.addressLength)
        guard let address = IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: addressBytes)) else { return nil }
        let port = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: portOffset, as: UInt16.self))
        return SocketAddress(address: address, port: port)
    }
}

extension IPFamily {
    var socketDomain: Int32 { self == .ipv4 ? AF_INET : AF_INET6 }
}
