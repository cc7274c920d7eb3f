import Glibc
import NetAddress
import Synchronization

/// The port to try next. Each process begins elsewhere, since several may run tests.
private let nextPort = Mutex(UInt16(15000 + Int(getpid()) % 160 * 100))

/// A TCP port of 127.0.0.1 that nobody has, of those that connections are not made from. Throws ``SystemCallError`` if
/// there is none.
public func freePort() throws -> UInt16 {
    for _ in 0..<1000 {
        let port = nextPort.withLock { next in
            next = next < 32000 ? next + 1 : 15000
            return next
        }
        let socket = try Socket.open(.ipv4, .tcp)
        let address = SocketAddress(address: IPAddress(ipv4: 0x7f00_0001), port: port)
        do {
            try socket.bind(address)
            return port
        } catch {
            guard error.number == EADDRINUSE else { throw error }
        }
    }
    throw SystemCallError(call: "bind", number: EADDRNOTAVAIL)
}
