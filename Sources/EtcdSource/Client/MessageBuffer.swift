internal import FoundationEssentials
internal import NIOCore
internal import NIOFoundationEssentialsCompat

/// Puts the chunks of a stream together to messages, one a line.
struct MessageBuffer<Message: Decodable> {
    /// A line may hold a thousand revisions of large keys.
    static var largestLine: Int { 256 << 20 }

    private let member: String
    private var buffer = ByteBuffer()
    /// How many bytes of the buffer hold no line end.
    private var searched = 0

    init(member: String) { self.member = member }

    /// Adds a chunk, and takes out the messages that are whole.
    mutating func add(_ chunk: ByteBuffer) throws(EtcdError) -> [Message] {
        var chunk = chunk
        if buffer.readableBytes == 0 { buffer = chunk } else { buffer.writeBuffer(&chunk) }
        var messages: [Message] = []
        while let end = buffer.readableBytesView.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) {
            let length = end - buffer.readerIndex
            searched = 0
            guard let line = buffer.readData(length: length), buffer.readSlice(length: 1) != nil else { break }
            guard !line.isEmpty else { continue }
            do {
                messages.append(try JSONDecoder().decode(Message.self, from: line))
            } catch {
                throw EtcdError(.notUnderstood, "\(member) sends what etcd would not say")
            }
        }
        searched = buffer.readableBytes
        guard searched <= Self.largestLine else {
            throw EtcdError(.tooLarge, "\(member) sends too much in one message")
        }
        buffer.discardReadBytes()
        return messages
    }
}
