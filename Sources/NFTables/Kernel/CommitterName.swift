internal import CNetfilter
internal import Glibc

/// The name that others hear of with our transactions (`NFTA_GEN_PROC_NAME`).
///
/// The kernel tells them the name of the thread, and threads of a pool have names that say nothing.
enum CommitterName {
    /// The process's own: that of its first thread, at most 15 bytes (proc_pid_comm(5)). Nil if it cannot be read.
    private static let process: String? = {
        let descriptor = open("/proc/self/comm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 16) { buffer, initialized in
            count = read(descriptor, buffer.baseAddress, buffer.count)
            initialized = max(count, 0)
        }
        return count > 0 ? String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self) : nil
    }()

    /// Gives the calling thread the process's name.
    static func use() {
        if let process { pthread_setname_np(pthread_self(), process) }
    }
}
