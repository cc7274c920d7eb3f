/// The flags of a netlink message (linux/netlink.h).
public struct MessageFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// `NLM_F_REQUEST`: set on everything that is sent to the kernel.
    public static let request = MessageFlags(rawValue: 0x1)
    /// `NLM_F_MULTI`: one part of an answer that ends with ``MessageType/done``.
    public static let multi = MessageFlags(rawValue: 0x2)
    /// `NLM_F_ACK`: answer even if all went well.
    public static let acknowledge = MessageFlags(rawValue: 0x4)
    /// `NLM_F_DUMP_INTR`: the list changed while it was dumped, so the dump may be wrong.
    public static let dumpInterrupted = MessageFlags(rawValue: 0x10)
    /// `NLM_F_DUMP`: list all.
    public static let dump = MessageFlags(rawValue: 0x300)

    /// `NLM_F_EXCL`: creating what exists is an error.
    public static let exclusive = MessageFlags(rawValue: 0x200)
    /// `NLM_F_CREATE`.
    public static let create = MessageFlags(rawValue: 0x400)
    /// `NLM_F_APPEND`: at the end instead of in front.
    public static let append = MessageFlags(rawValue: 0x800)
    /// `NLM_F_REPLACE`: puts the object in the place of another.
    public static let replace = MessageFlags(rawValue: 0x100)

    /// `NLM_F_CAPPED` on an error: the refused message is not repeated in the answer.
    public static let capped = MessageFlags(rawValue: 0x100)
    /// `NLM_F_ACK_TLVS` on an error: attributes with details follow.
    public static let extendedAck = MessageFlags(rawValue: 0x200)
}

/// The message types that every netlink protocol has (linux/netlink.h).
public enum MessageType {
    /// `NLMSG_ERROR`: the outcome of a request, 0 or an errno.
    public static let error: UInt16 = 2
    /// `NLMSG_DONE`: the end of a dump.
    public static let done: UInt16 = 3
    /// `NLMSG_OVERRUN`.
    public static let overrun: UInt16 = 4
}
