import Glibc

/// The flags of network interfaces, of the namespace of the calling thread.
enum Links {
    /// Brings an interface up.
    static func bringUp(_ name: String) throws {
        let flags = try flags(of: name)
        try request(UInt(SIOCSIFFLAGS), name, flags: flags | Int16(IFF_UP))
    }

    /// Waits until interfaces have found their carrier; the kernel notes it a moment after both ends went up, and
    /// drops packets until then.
    static func waitUntilRunning(_ names: [String]) throws {
        for name in names {
            for _ in 0..<2_000 {
                if try flags(of: name) & Int16(IFF_RUNNING) != 0 { break }
                usleep(500)
            }
        }
    }

    private static func flags(of name: String) throws -> Int16 {
        try request(UInt(SIOCGIFFLAGS), name, flags: 0)
    }

    /// `struct ifreq`: 16 bytes of name, then a union of 24 bytes that here begins with the flags (linux/if.h).
    @discardableResult
    private static func request(_ number: UInt, _ name: String, flags: Int16) throws -> Int16 {
        let nameLength = 16
        var bytes = [UInt8](repeating: 0, count: 40)
        bytes.replaceSubrange(0..<name.utf8.prefix(nameLength - 1).count, with: name.utf8.prefix(nameLength - 1))
        let socket = try Descriptor("socket", socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Socket.flags, 0))
        return try bytes.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: flags, toByteOffset: nameLength, as: Int16.self)
            guard let address = bytes.baseAddress else { return 0 }
            try check("ioctl \(name)", ioctl(socket.number, number, address))
            return bytes.load(fromByteOffset: nameLength, as: Int16.self)
        }
    }
}
