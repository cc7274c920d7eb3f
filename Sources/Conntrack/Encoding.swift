internal import CNetfilter
internal import NetAddress
internal import NetlinkWire

extension MessageBuffer {
    /// Appends the header that all of netfilter shares (struct nfgenmsg).
    mutating func netfilterHeader(_ family: IPFamily) {
        append(family.netfilterNumber)
        append(UInt8(NFNETLINK_V0))
        append(0 as UInt16)
    }

    /// Appends one direction of a flow.
    mutating func tuple(
        _ type: ctattr_type, _ tuple: Flow.Tuple, _ transport: TransportProtocol, zone: UInt16?
    ) {
        nested(UInt16(type.rawValue)) { buffer in
            buffer.nested(UInt16(CTA_TUPLE_IP.rawValue)) { buffer in
                let (source, destination) = tuple.source.family.addressAttributes
                buffer.attribute(source, tuple.source)
                buffer.attribute(destination, tuple.destination)
            }
            buffer.nested(UInt16(CTA_TUPLE_PROTO.rawValue)) { buffer in
                buffer.attribute(transport)
                buffer.attribute(UInt16(CTA_PROTO_SRC_PORT.rawValue), bigEndian: tuple.sourcePort)
                buffer.attribute(UInt16(CTA_PROTO_DST_PORT.rawValue), bigEndian: tuple.destinationPort)
            }
            if let zone { buffer.attribute(UInt16(CTA_TUPLE_ZONE.rawValue), bigEndian: zone) }
        }
    }

    /// Appends what makes a dump leave out all protocols but one (CTA_FILTER, Linux 5.8). Older kernels take no notice.
    mutating func filter(_ transport: TransportProtocol) {
        nested(UInt16(CTA_TUPLE_ORIG.rawValue)) { buffer in
            buffer.nested(UInt16(CTA_TUPLE_PROTO.rawValue)) { $0.attribute(transport) }
        }
        nested(UInt16(CTA_FILTER.rawValue)) { buffer in
            // In host byte order, other than all numbers of conntrack's.
            buffer.attributeHeader(UInt16(CTA_FILTER_ORIG_FLAGS.rawValue), payload: 4)
            buffer.append(filterByProtocolNumber)
        }
    }

    private mutating func attribute(_ type: UInt16, _ address: IPAddress) {
        attributeHeader(type, payload: address.family.addressLength)
        switch address.family {
        case .ipv4: append(UInt32(truncatingIfNeeded: address.low).bigEndian)
        case .ipv6:
            append(address.high.bigEndian)
            append(address.low.bigEndian)
        }
    }

    private mutating func attribute(_ transport: TransportProtocol) {
        attributeHeader(UInt16(CTA_PROTO_NUM.rawValue), payload: 1)
        append(transport.rawValue)
        append(0 as UInt8)
        append(0 as UInt16)
    }

    mutating func attribute(_ type: UInt16, bigEndian number: UInt16) {
        attributeHeader(type, payload: 2)
        append(number.bigEndian)
        append(0 as UInt16)
    }
}

extension IPFamily {
    /// NFPROTO_IPV4 or NFPROTO_IPV6 (linux/netfilter.h).
    var netfilterNumber: UInt8 { self == .ipv4 ? 2 : 10 }

    /// The types of a tuple's source and destination (CTA_IP_*).
    var addressAttributes: (source: UInt16, destination: UInt16) {
        switch self {
        case .ipv4: (UInt16(CTA_IP_V4_SRC.rawValue), UInt16(CTA_IP_V4_DST.rawValue))
        case .ipv6: (UInt16(CTA_IP_V6_SRC.rawValue), UInt16(CTA_IP_V6_DST.rawValue))
        }
    }
}

/// The type of a message of conntrack's: the subsystem in the upper byte (linux/netfilter/nfnetlink.h).
func ctnetlinkType(_ type: cntl_msg_types) -> UInt16 {
    UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(truncatingIfNeeded: type.rawValue)
}

/// `sizeof(struct nfgenmsg)`.
let netfilterHeaderLength = 4
/// `CTA_FILTER_F_CTA_PROTO_NUM`, which the kernel keeps to itself (net/netfilter/nf_internals.h) although it is part of
/// what programs send.
private let filterByProtocolNumber: UInt32 = 1 << 3
