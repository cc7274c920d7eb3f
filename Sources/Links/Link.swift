internal import Netlink
internal import NetlinkWire

/// A network interface.
public struct Link: Hashable, Sendable {
    /// The kernel's number for it, from 1, never used twice in a network namespace before all are through.
    public var index: UInt32
    /// At most 15 bytes.
    public var name: String
    /// What made it, for example `dummy` or `veth`; nil for hardware and loopback.
    public var kind: String?
    /// A text that somebody has put there, at most 255 bytes (`ip link set alias`); nil if there is none.
    public var alias: String?
    public var flags: Flags

    public init(index: UInt32, name: String, kind: String? = nil, alias: String? = nil, flags: Flags = []) {
        self.index = index
        self.name = name
        self.kind = kind
        self.alias = alias
        self.flags = flags
    }

    /// What the link is and does (`IFF_…` in linux/if.h).
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let up = Flags(rawValue: 0x1)
        public static let loopback = Flags(rawValue: 0x8)
        /// Nobody is asked for, and no answer is given about, hardware addresses.
        public static let noARP = Flags(rawValue: 0x80)
    }
}

extension Link {
    /// `sizeof(struct ifinfomsg)` (linux/rtnetlink.h).
    private static let headerLength = 16

    /// Reads a message about a link; nil for other messages.
    init?(_ message: Message) {
        guard message.type == RouteMessage.newLink, message.payload.count >= Self.headerLength else { return nil }
        let index = message.payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        let flags = message.payload.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        self.init(index: index, name: "", flags: Flags(rawValue: flags))
        for attribute in message.attributes(after: Self.headerLength) {
            switch attribute.type {
            case LinkAttribute.name: name = attribute.string
            case LinkAttribute.alias: alias = attribute.string
            case LinkAttribute.info: kind = attribute.nested.first(LinkAttribute.infoKind)?.string
            default: break
            }
        }
        guard !name.isEmpty else { return nil }
    }
}
