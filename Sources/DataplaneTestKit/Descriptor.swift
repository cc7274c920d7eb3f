import CNamespaces
import Glibc

/// An open file descriptor, closed when its owner goes.
struct Descriptor: ~Copyable, Sendable {
    let number: Int32

    /// Takes over a descriptor that a call returned, or throws the call's error.
    init(_ call: String, _ result: Int32) throws(SystemCallError) {
        number = try check(call, result)
    }

    deinit { _ = Glibc.close(number) }
}

extension Descriptor {
    /// A file in memory.
    ///
    /// Programs get their input and output through such files and not through pipes: nothing fills up, so nothing
    /// can deadlock, and no process that a program left behind keeps the output open.
    static func memoryFile(_ name: String, holding bytes: String.UTF8View = "".utf8) throws(SystemCallError)
        -> Descriptor
    {
        let file = try Descriptor("memfd_create", memory_file(name))
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let written = try check(
                "write", rest.withUnsafeBytes { Glibc.write(file.number, $0.baseAddress, $0.count) })
            rest = rest.dropFirst(written)
        }
        // A program may open its output again by name; what it then writes must not overwrite what it wrote before.
        try check("fcntl", fcntl(file.number, F_SETFL, O_APPEND))
        lseek(file.number, 0, SEEK_SET)
        return file
    }

    /// Everything that a file in memory holds.
    func contents() throws(SystemCallError) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = buffer.withUnsafeMutableBytes {
                pread(number, $0.baseAddress, $0.count, off_t(bytes.count))
            }
            try check("pread", count)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(contentsOf: buffer.prefix(count))
        }
    }
}
