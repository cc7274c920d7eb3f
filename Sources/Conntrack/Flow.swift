internal import CNetfilter
public import NetAddress

/// One entry of the kernel's connection tracking: a flow, and what becomes of its packets.
public struct Flow: Hashable, Sendable {
    /// Addresses and ports of one direction's packets. Ports are in host order.
    public struct Tuple: Hashable, Sendable {
        public var source: IPAddress
        public var sourcePort: UInt16
        public var destination: IPAddress
        public var destinationPort: UInt16

        public init(source: IPAddress, sourcePort: UInt16, destination: IPAddress, destinationPort: UInt16) {
            self.source = source
            self.sourcePort = sourcePort
            self.destination = destination
            self.destinationPort = destinationPort
        }

        /// The same with source and destination exchanged.
        public var reversed: Tuple {
            Tuple(
                source: destination, sourcePort: destinationPort, destination: source, destinationPort: sourcePort)
        }
    }

    public var transport: TransportProtocol
    /// As the first packet was before any translation.
    public var original: Tuple
    /// As answers are expected to arrive here: ``original`` reversed, and then what translation changes of it.
    public var reply: Tuple
    public var status: Status
    /// The kernel's number for the entry (CTA_ID), as it came. It is made of the entry's place in memory and its
    /// original tuple: a later entry on the same tuple mostly has another, but may have the same.
    public var id: UInt32
    /// Nil in the default zone, where nearly everything is.
    public var zone: Zone?

    public init(
        transport: TransportProtocol, original: Tuple, reply: Tuple, status: Status = [], id: UInt32 = 0,
        zone: Zone? = nil
    ) {
        self.transport = transport
        self.original = original
        self.reply = reply
        self.status = status
        self.id = id
        self.zone = zone
    }

    public var family: IPFamily { original.source.family }

    /// What the kernel noted of the flow (IPS_* in linux/netfilter/nf_conntrack_common.h).
    public struct Status: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// `IPS_SEEN_REPLY`: packets were seen in both directions.
        public static let seenReply = Status(rawValue: IPS_SEEN_REPLY.rawValue)
        /// `IPS_ASSURED`: the entry is not given up early when the table is full.
        public static let assured = Status(rawValue: IPS_ASSURED.rawValue)
        /// `IPS_CONFIRMED`: the first packet went through.
        public static let confirmed = Status(rawValue: IPS_CONFIRMED.rawValue)
        /// `IPS_SRC_NAT`: the source is translated.
        public static let sourceNAT = Status(rawValue: IPS_SRC_NAT.rawValue)
        /// `IPS_DST_NAT`: the destination is translated.
        public static let destinationNAT = Status(rawValue: IPS_DST_NAT.rawValue)
        /// `IPS_DYING`: the entry is about to go.
        public static let dying = Status(rawValue: IPS_DYING.rawValue)
    }

    /// A part of the table of its own, which rules put flows into (`ct zone set`). The same tuple may be in several.
    public enum Zone: Hashable, Sendable {
        /// Both directions are in it (CTA_ZONE).
        case both(UInt16)
        /// Only the original direction is (CTA_TUPLE_ZONE within CTA_TUPLE_ORIG).
        case original(UInt16)
        /// Only the reply direction is (CTA_TUPLE_ZONE within CTA_TUPLE_REPLY).
        case reply(UInt16)
    }
}
