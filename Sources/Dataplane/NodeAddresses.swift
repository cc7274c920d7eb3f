internal import Glibc
public import NetAddress

/// The node's own addresses.
public enum NodeAddresses {
    /// All addresses of all interfaces in the calling thread's network namespace; nil if the kernel does not tell.
    public static func current() -> Set<IPAddress>? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return nil }
        defer { freeifaddrs(list) }
        var addresses: Set<IPAddress> = []
        var next = list
        while let entry = next {
            if let address = address(entry.pointee.ifa_addr) { addresses.insert(address) }
            next = entry.pointee.ifa_next
        }
        return addresses
    }

    /// The address in a `sockaddr_in`, at 4, or in a `sockaddr_in6`, at 8 (netinet/in.h).
    private static func address(_ pointer: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
        guard let pointer else { return nil }
        let (offset, length): (Int, Int)
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET: (offset, length) = (4, 4)
        case AF_INET6: (offset, length) = (8, 16)
        default: return nil
        }
        return IPAddress(networkBytes: UnsafeRawBufferPointer(start: UnsafeRawPointer(pointer) + offset, count: length))
    }
}
