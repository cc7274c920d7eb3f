internal import Glibc
internal import NetAddress

/// This machine's own addresses.
enum NodeAddresses {
    /// The addresses of all interfaces, which anybody may ask for; nil, with the reason in errno, if that fails.
    static func own() -> Set<IPAddress>? {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var addresses: Set<IPAddress> = []
        var next = first
        while let entry = next {
            if let address = entry.pointee.ifa_addr.flatMap(address) { addresses.insert(address) }
            next = entry.pointee.ifa_next
        }
        return addresses
    }

    /// The address follows the port of `sockaddr_in`, or the flow information of `sockaddr_in6` (netinet/in.h).
    private static func address(_ pointer: UnsafeMutablePointer<sockaddr>) -> IPAddress? {
        let raw = UnsafeRawPointer(pointer)
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET: return IPAddress(networkBytes: UnsafeRawBufferPointer(start: raw + 4, count: 4))
        case AF_INET6: return IPAddress(networkBytes: UnsafeRawBufferPointer(start: raw + 8, count: 16))
        default: return nil
        }
    }
}

/// `ADDR,ADDR…` on the command line.
struct AddressList {
    let addresses: [IPAddress]

    init?(_ text: String) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let addresses = parts.compactMap { IPAddress($0) }
        guard addresses.count == parts.count else { return nil }
        self.addresses = addresses
    }
}
