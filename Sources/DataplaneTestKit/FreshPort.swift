import Glibc
import Synchronization

/// Source ports for clients, none of which comes again soon. To connection tracking, a UDP client that sends from the port of
/// an earlier one is that one, and goes where it went. IPVS cannot tell apart two TCP connections from one port that lead by
/// two addresses to one endpoint.
enum FreshPort {
    private static let range: ClosedRange<UInt16> = 10_000...60_999
    private static let last = Mutex(UInt16.random(in: range))

    private static func next() -> UInt16 {
        last.withLock { last in
            last = last == range.upperBound ? range.lowerBound : last + 1
            return last
        }
    }

    /// Binds a socket to an address and a port that is free there, which takes one that shares no ports.
    ///
    /// - Parameter next: the ports to try.
    static func bind(
        _ socket: borrowing Socket, to address: SocketAddress, next: () -> UInt16 = next
    ) throws(SystemCallError) {
        for attempt in 1...100 {
            do {
                return try socket.bind(SocketAddress(address: address.address, port: next()))
            } catch {
                guard error.number == EADDRINUSE, attempt < 100 else { throw error }
            }
        }
    }
}
