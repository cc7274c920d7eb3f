internal import Glibc

/// Sends a finished transaction with nothing around it: what the kernel alone needs.
struct BareSocket: ~Copyable {
    struct Failure: Error {
        let call: String
        let number: Int32
    }

    private let descriptor: Int32

    init() throws(Failure) {
        descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), netfilterProtocol)
        guard descriptor >= 0 else { throw Failure(call: "socket", number: errno) }
    }

    deinit { close(descriptor) }

    /// Makes room for so many bytes at once.
    func reserve(_ count: Int) {
        var size = Int32(clamping: count + 4096)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Sends the bytes and takes the answer; the kernel has done its work when this returns.
    func send(_ bytes: [UInt8]) throws(Failure) {
        let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, 0) }
        guard sent == bytes.count else { throw Failure(call: "send", number: errno) }
        var answer = [UInt8](repeating: 0, count: 8192)
        let received = answer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }
        guard received >= 20 else { return }
        let error = answer.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 16, as: Int32.self) }
        guard error == 0 else { throw Failure(call: "transaction", number: -error) }
    }
}

/// `NETLINK_NETFILTER`.
private let netfilterProtocol: Int32 = 12
