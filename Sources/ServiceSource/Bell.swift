internal import Glibc

/// Wakes a thread that waits in poll(2), for something that it waits for besides the kernel.
package final class Bell: Sendable {
    /// Readable from ``ring()`` to ``silence()``.
    package let descriptor: Int32
    private let writer: Int32

    /// - Throws: ``BellError`` where the process or the machine may open no more files.
    package init() throws(BellError) {
        var ends: [Int32] = [-1, -1]
        // A pair of sockets, since Swift cannot see pipe2(2), and pipe(2) leaks into programs that are started.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw BellError(number: errno) }
        (descriptor, writer) = (ends[0], ends[1])
    }

    deinit {
        close(descriptor)
        close(writer)
    }

    package func ring() {
        // A socket that is full rings already.
        var byte: UInt8 = 1
        write(writer, &byte, 1)
    }

    package func silence() {
        var bytes = [UInt8](repeating: 0, count: 256)
        while read(descriptor, &bytes, bytes.count) == bytes.count {}
    }
}

/// Why nobody can be woken.
package struct BellError: Error, CustomStringConvertible {
    let number: Int32
    package var description: String { "no pair of sockets can be opened: \(String(cString: strerror(number)))" }
}
