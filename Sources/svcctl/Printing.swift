internal import ArgumentParser
internal import Glibc
internal import NFTables

/// Writes bytes to standard output. The program ends if they cannot be written, since a part of an output, or none of
/// it, must not pass for all of it.
func printBytes(_ bytes: [UInt8]) {
    guard !write(bytes, to: STDOUT_FILENO) else { return }
    printError("svcctl: standard output: \(String(cString: strerror(errno)))")
    exit(ExitCode.outputFailed.rawValue)
}

/// Writes all of some bytes to a descriptor; false, with the reason in errno, if that fails.
@discardableResult
func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    bytes.withUnsafeBytes { raw in
        var rest = raw[...]
        while !rest.isEmpty {
            let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
                continue
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// Writes a JSON value and a line feed to standard output.
func printJSON(_ value: JSON) {
    var text: [UInt8] = []
    value.write(to: &text)
    text.append(UInt8(ascii: "\n"))
    printBytes(text)
}

/// Rows in columns that are as wide as their widest cell.
func printTable(_ rows: [[String]]) {
    var widths: [Int] = []
    for row in rows {
        for (index, cell) in row.enumerated() {
            if index == widths.count { widths.append(0) }
            widths[index] = max(widths[index], cell.count)
        }
    }
    var text = ""
    for row in rows {
        let cells = row.enumerated().map { index, cell in
            index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
        }
        text += cells.joined(separator: "  ") + "\n"
    }
    printBytes(Array(text.utf8))
}
