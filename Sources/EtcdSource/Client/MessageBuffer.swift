internal import NIOCore

/// Puts the chunks of a watch together to messages, one a line.
struct MessageBuffer {
    /// A line may hold a thousand revisions of large keys.
    static var largestLine: Int { 256 << 20 }

    private let member: String
    private var buffer = ByteBuffer()
    /// How many bytes of the buffer hold no line end.
    private var searched = 0

    init(member: String) { self.member = member }

    /// Adds a chunk, and takes out the messages that are whole.
    mutating func add(_ chunk: ByteBuffer) throws(EtcdError) -> [WatchMessage] {
        var chunk = chunk
        if buffer.readableBytes == 0 { buffer = chunk } else { buffer.writeBuffer(&chunk) }
        var messages: [WatchMessage] = []
        while let end = buffer.readableBytesView.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) {
            let length = end - buffer.readerIndex
            searched = 0
            guard let line = buffer.readBytes(length: length), buffer.readSlice(length: 1) != nil else { break }
            guard !line.isEmpty else { continue }
            guard let message = WatchMessage(line: line) else {
                throw EtcdError(.notUnderstood, "\(member) sends what etcd would not say")
            }
            messages.append(message)
        }
        searched = buffer.readableBytes
        guard searched <= Self.largestLine else {
            throw EtcdError(.tooLarge, "\(member) sends too much in one message")
        }
        buffer.discardReadBytes()
        return messages
    }
}
