/// The kernel's answer to one request: done, or why not (linux/netlink.h, struct nlmsgerr and its attributes).
public struct ErrorMessage: Hashable, Sendable {
    /// 0 if the request was carried out, else a positive errno.
    public let errno: Int32
    /// The sequence number of the request that is answered.
    public let sequence: UInt32
    /// The kernel's own sentence, if it gave one (NLMSGERR_ATTR_MSG).
    public let message: String?
    /// Where in the refused request the offending attribute begins, in bytes from its header (NLMSGERR_ATTR_OFFS).
    public let offset: Int?

    /// Reads a message of type ``MessageType/error``; nil if it is cut short.
    public init?(_ answer: Message) {
        let payload = answer.payload
        guard answer.type == MessageType.error, payload.count >= 4 + messageHeaderLength else { return nil }
        let code = payload.loadUnaligned(as: Int32.self)
        errno = code == Int32.min ? Int32.max : abs(code)
        sequence = payload.loadUnaligned(fromByteOffset: 4 + 8, as: UInt32.self)

        var message: String?
        var offset: Int?
        if answer.flags.contains(.extendedAck) {
            let repeated = Int(payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            let shown = answer.flags.contains(.capped) || code == 0 ? messageHeaderLength : netlinkAligned(repeated)
            for attribute in answer.attributes(after: 4 + shown) {
                switch attribute.type {
                case 1: message = attribute.string
                case 2: offset = attribute.hostEndian(UInt32.self).map(Int.init)
                default: break
                }
            }
        }
        self.message = message
        self.offset = offset
    }
}
