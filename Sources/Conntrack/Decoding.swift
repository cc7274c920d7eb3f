internal import CNetfilter
internal import NetAddress
internal import NetlinkWire

// Entries as the kernel lists them (ctnetlink_fill_info in nf_conntrack_netlink.c), read where they lie: a table may
// hold hundreds of thousands.

extension Flow {
    /// Reads an entry; nil if it is of another family or protocol, or is not as expected.
    init?(_ message: Message, _ family: IPFamily, _ transport: TransportProtocol) {
        guard message.type == ctnetlinkType(IPCTNL_MSG_CT_NEW), message.payload.first == family.netfilterNumber else {
            return nil
        }
        var original: (tuple: Tuple, zone: UInt16?)?
        var reply: (tuple: Tuple, zone: UInt16?)?
        var status: UInt32 = 0
        var id: UInt32?
        var zone: UInt16?
        for attribute in message.attributes(after: netfilterHeaderLength) {
            switch UInt32(attribute.type) {
            case CTA_TUPLE_ORIG.rawValue:
                // It comes first, so that entries of other protocols cost no more.
                original = Tuple.decode(attribute, family, transport)
                if original == nil { return nil }
            case CTA_TUPLE_REPLY.rawValue: reply = Tuple.decode(attribute, family, transport)
            case CTA_STATUS.rawValue: status = attribute.bigEndian() ?? 0
            case CTA_ID.rawValue: id = attribute.bigEndian()
            case CTA_ZONE.rawValue: zone = attribute.bigEndian()
            default: break
            }
        }
        guard let original, let reply, let id else { return nil }
        self.init(
            transport: transport, original: original.tuple, reply: reply.tuple, status: Status(rawValue: status),
            id: id,
            zone: zone.map { .both($0) } ?? original.zone.map { .original($0) } ?? reply.zone.map { .reply($0) })
    }
}

extension Flow.Tuple {
    /// Reads one direction, and its own zone if it has one; nil if it is of another family or protocol.
    fileprivate static func decode(
        _ attribute: Attribute, _ family: IPFamily, _ transport: TransportProtocol
    ) -> (tuple: Flow.Tuple, zone: UInt16?)? {
        var addresses: (source: IPAddress, destination: IPAddress)?
        var ports: (source: UInt16, destination: UInt16)?
        var zone: UInt16?
        for part in attribute.nested {
            switch UInt32(part.type) {
            case CTA_TUPLE_IP.rawValue: addresses = Self.addresses(part, family)
            case CTA_TUPLE_PROTO.rawValue: ports = Self.ports(part, transport)
            case CTA_TUPLE_ZONE.rawValue: zone = part.bigEndian()
            default: break
            }
        }
        guard let addresses, let ports else { return nil }
        let tuple = Flow.Tuple(
            source: addresses.source, sourcePort: ports.source, destination: addresses.destination,
            destinationPort: ports.destination)
        return (tuple, zone)
    }

    private static func addresses(_ part: Attribute, _ family: IPFamily) -> (source: IPAddress, destination: IPAddress)?
    {
        var source: IPAddress?
        var destination: IPAddress?
        let (sourceType, destinationType) = family.addressAttributes
        for attribute in part.nested where attribute.payload.count == family.addressLength {
            switch attribute.type {
            case sourceType: source = IPAddress(networkBytes: attribute.payload)
            case destinationType: destination = IPAddress(networkBytes: attribute.payload)
            default: break
            }
        }
        guard let source, let destination else { return nil }
        return (source, destination)
    }

    private static func ports(_ part: Attribute, _ transport: TransportProtocol) -> (
        source: UInt16, destination: UInt16
    )? {
        var source: UInt16?
        var destination: UInt16?
        for attribute in part.nested {
            switch UInt32(attribute.type) {
            case CTA_PROTO_NUM.rawValue:
                guard attribute.payload.first == transport.rawValue else { return nil }
            case CTA_PROTO_SRC_PORT.rawValue: source = attribute.bigEndian()
            case CTA_PROTO_DST_PORT.rawValue: destination = attribute.bigEndian()
            default: break
            }
        }
        guard let source, let destination else { return nil }
        return (source, destination)
    }
}
