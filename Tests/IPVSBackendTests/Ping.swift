import DataplaneTestKit
import Glibc
import NetAddress

/// An echo request, for which not every machine has a program.
enum Ping {
    /// Sends one from the calling thread's namespace, as root, and waits for the answer.
    static func isAnswered(_ address: IPAddress) throws -> Bool {
        let isIPv4 = address.family == .ipv4
        let descriptor = socket(
            isIPv4 ? AF_INET : AF_INET6, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue),
            Int32(isIPv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        guard connect(descriptor, to: address) else { return false }
        // Type, code, checksum, number and sequence. IPv6's checksum is the kernel's to make.
        let request: [UInt8] = isIPv4 ? [8, 0, 0xf7, 0xfd, 0, 1, 0, 1] : [128, 0, 0, 0, 0, 1, 0, 1]
        guard send(descriptor, request, request.count, 0) == request.count else { return false }
        var answer = [UInt8](repeating: 0, count: 2048)
        while true {
            let count = recv(descriptor, &answer, answer.count, 0)
            guard count > 0 else { return false }
            // IPv4 comes with its header.
            let type = isIPv4 ? answer[Int(answer[0] & 0xf) * 4] : answer[0]
            if type == (isIPv4 ? 0 : 129) { return true }
        }
    }

    private static func connect(_ descriptor: Int32, to address: IPAddress) -> Bool {
        func connect<Address>(_ peer: Address) -> Bool {
            withUnsafeBytes(of: peer) { bytes in
                guard let base = bytes.bindMemory(to: sockaddr.self).baseAddress else { return false }
                return Glibc.connect(descriptor, base, socklen_t(bytes.count)) == 0
            }
        }
        if address.family == .ipv4 {
            var peer = sockaddr_in()
            peer.sin_family = sa_family_t(AF_INET)
            guard inet_pton(AF_INET, "\(address)", &peer.sin_addr) == 1 else { return false }
            return connect(peer)
        }
        var peer = sockaddr_in6()
        peer.sin6_family = sa_family_t(AF_INET6)
        guard inet_pton(AF_INET6, "\(address)", &peer.sin6_addr) == 1 else { return false }
        return connect(peer)
    }
}
