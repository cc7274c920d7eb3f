internal import NetAddress
internal import Netlink
internal import NetlinkWire

/// Lists sets by netlink, see SetDecoding.swift for why this is not libipset's.
struct SetLister: ~Copyable {
    private var socket: NetlinkSocket

    init() throws(NetlinkError) { socket = try NetlinkSocket(.netfilter) }

    /// Sets without their elements; of one name, or all.
    mutating func headers(_ name: String? = nil) throws(NetlinkError) -> [ListedSet] {
        var sets: [ListedSet] = []
        try dump(name, headersOnly: true) { message in
            if let set = ListedSet(message) { sets.append(set) }
        }
        return sets
    }

    /// Sets with their elements; of one name, or all.
    mutating func contents(_ name: String? = nil) throws(NetlinkError) -> [SetContent] {
        var contents: [SetContent] = []
        try dump(name, headersOnly: false) { message in
            if let set = ListedSet(message) { contents.append(SetContent(set)) }
            guard let last = contents.indices.last else { return }
            let elements = message.attributes(after: netfilterHeaderLength).first(SetAttribute.elements)
            contents[last].append(elements)
        }
        return contents
    }

    /// A set that goes meanwhile is no error: it is listed, or it is not.
    private mutating func dump(
        _ name: String?, headersOnly: Bool, _ onMessage: (Message) -> Void
    ) throws(NetlinkError) {
        try socket.request(type: listing, flags: .dump, operation: "listing sets") { buffer in
            // struct nfgenmsg: `NFPROTO_IPV4`, which means nothing here, `NFNETLINK_V0`, and no resource.
            buffer.append(IPFamily.ipv4.setNumber)
            buffer.append(0 as UInt8)
            buffer.append(0 as UInt16)
            // `IPSET_PROTOCOL_MIN`, which old and new kernels take.
            buffer.attribute(SetAttribute.protocolVersion, bytes: [6])
            if let name { buffer.attribute(SetAttribute.name, string: name) }
            if headersOnly { buffer.attribute(SetAttribute.flags, bigEndian: listsHeaders) }
        } onMessage: { message in
            if message.type == listing { onMessage(message) }
        }
    }
}

extension SetContent {
    fileprivate mutating func append(_ attribute: Attribute?) {
        guard let attribute else { return }
        guard let type = SetType(rawValue: set.typeName) else {
            unreadable += attribute.nested.reduce(0) { count, _ in count + 1 }
            return
        }
        if elements.isEmpty { elements.reserveCapacity(Int(set.elementCount)) }
        for data in attribute.nested {
            if let element = SetElement(data, type) { elements.append(element) } else { unreadable += 1 }
        }
    }
}

/// `NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST`.
private let listing: UInt16 = 6 << 8 | 7
/// `IPSET_FLAG_LIST_HEADER`.
private let listsHeaders: UInt32 = 4
