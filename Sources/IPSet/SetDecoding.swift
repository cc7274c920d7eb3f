internal import NetAddress
internal import NetlinkWire

// Sets as the kernel lists them (ip_set_dump_do in ip_set_core.c, and what each type appends).
//
// libipset turns them into text, XML or JSON while it reads and hands out nothing else, so that they are read here.

/// Attributes of messages about sets (`IPSET_ATTR_…` in linux/netfilter/ipset/ip_set.h).
enum SetAttribute {
    static let protocolVersion: UInt16 = 1
    static let name: UInt16 = 2
    static let typeName: UInt16 = 3
    static let family: UInt16 = 5
    static let flags: UInt16 = 6
    static let data: UInt16 = 7
    static let elements: UInt16 = 8
}

/// Attributes of what sets are made with, and of elements. The same numbers mean other things from 17 on.
private enum DataAttribute {
    static let address: UInt16 = 1
    static let prefixLength: UInt16 = 3
    static let port: UInt16 = 4
    static let lastPort: UInt16 = 5
    static let timeout: UInt16 = 6
    static let transport: UInt16 = 7
    static let flags: UInt16 = 8

    static let initialValue: UInt16 = 17
    static let hashSize: UInt16 = 18
    static let maxElements: UInt16 = 19
    static let bucketSize: UInt16 = 21
    static let elementCount: UInt16 = 24
    static let references: UInt16 = 25
    static let memorySize: UInt16 = 26

    static let otherAddress: UInt16 = 20
    static let otherPrefixLength: UInt16 = 21
    static let bytes: UInt16 = 24
    static let packets: UInt16 = 25
    static let comment: UInt16 = 26
    static let mark: UInt16 = 27
}

/// `IPSET_FLAG_WITH_COUNTERS`, `IPSET_FLAG_WITH_COMMENT`, `IPSET_FLAG_WITH_SKBINFO`.
private let withCounters: UInt32 = 8
private let withComments: UInt32 = 16
private let withSkbInfo: UInt32 = 64

/// `sizeof(struct nfgenmsg)` (linux/netfilter/nfnetlink.h).
let netfilterHeaderLength = 4

extension ListedSet {
    /// Reads the first message about a set; nil for those that follow, which have elements only.
    init?(_ message: Message) {
        var name: String?
        var typeName: String?
        var family: UInt8 = 0
        var data: Attribute?
        for attribute in message.attributes(after: netfilterHeaderLength) {
            switch attribute.type {
            case SetAttribute.name: name = attribute.string
            case SetAttribute.typeName: typeName = attribute.string
            case SetAttribute.family: family = attribute.payload.first ?? 0
            case SetAttribute.data: data = attribute
            default: break
            }
        }
        guard let name, let typeName else { return nil }
        self.init(name, typeName: typeName, spec: nil)
        read(data, family)
    }

    private mutating func read(_ data: Attribute?, _ number: UInt8) {
        let type = SetType(rawValue: typeName)
        let family = IPFamily(setNumber: number)
        var spec = SetSpec(name, type ?? .hashIP, family ?? .ipv4)
        var isKnown = type != nil && (family != nil || type?.isHash == false)
        var ports: (first: UInt16?, last: UInt16?)
        for attribute in data?.nested ?? AttributeReader(UnsafeRawBufferPointer(start: nil, count: 0)) {
            switch attribute.type {
            case DataAttribute.port: ports.first = attribute.bigEndian()
            case DataAttribute.lastPort: ports.last = attribute.bigEndian()
            case DataAttribute.timeout: spec.timeout = attribute.bigEndian()
            case DataAttribute.flags:
                let flags: UInt32 = attribute.bigEndian() ?? 0
                spec.withCounters = flags & withCounters != 0
                spec.withSkbInfo = flags & withSkbInfo != 0
                spec.withComments = flags & withComments != 0
                if flags & ~(withCounters | withComments | withSkbInfo) != 0 { isKnown = false }
            case DataAttribute.initialValue: initialValue = attribute.bigEndian()
            case DataAttribute.hashSize: hashSize = attribute.bigEndian()
            case DataAttribute.maxElements: spec.maxElements = attribute.bigEndian() ?? 0
            case DataAttribute.bucketSize: bucketSize = attribute.payload.first
            case DataAttribute.elementCount: elementCount = attribute.bigEndian() ?? 0
            case DataAttribute.references: references = attribute.bigEndian() ?? 0
            case DataAttribute.memorySize: memorySize = attribute.bigEndian() ?? 0
            default: isKnown = false
            }
        }
        if type == .bitmapPort, ports.first != 0 || ports.last != .max { isKnown = false }
        if isKnown { self.spec = spec }
    }
}

extension SetElement {
    /// Reads an element of a set of a type; nil for one that there is no word for.
    init?(_ data: Attribute, _ type: SetType) {
        var address: IPAddress?
        var length: Int?
        var port: UInt16?
        var transport: TransportProtocol?
        var other: IPAddress?
        var otherLength: Int?
        var mark: Mark?
        var comment: String?
        for attribute in data.nested {
            switch attribute.type {
            case DataAttribute.address: address = attribute.address
            case DataAttribute.prefixLength: length = attribute.payload.first.map(Int.init)
            case DataAttribute.port: port = attribute.bigEndian()
            case DataAttribute.transport: transport = attribute.payload.first.flatMap(TransportProtocol.init)
            case DataAttribute.otherAddress: other = attribute.address
            case DataAttribute.otherPrefixLength: otherLength = attribute.payload.first.map(Int.init)
            case DataAttribute.mark:
                guard let both: UInt64 = attribute.bigEndian() else { return nil }
                mark = Mark(UInt32(truncatingIfNeeded: both >> 32), mask: UInt32(truncatingIfNeeded: both))
            case DataAttribute.comment: comment = attribute.string
            case DataAttribute.timeout, DataAttribute.bytes, DataAttribute.packets: break
            default: return nil
            }
        }
        let block = address.flatMap { CIDR($0, prefixLength: length ?? $0.family.addressBits) }
        let otherBlock = other.flatMap { CIDR($0, prefixLength: otherLength ?? $0.family.addressBits) }
        let key: Key? =
            switch (type, address, transport, port) {
            case (.hashIP, let address?, _, _): .address(address)
            case (.hashIPPort, let address?, let transport?, let port?): .addressPort(address, transport, port)
            case (.hashIPPortIP, let address?, let transport?, let port?):
                other.map { .addressPortAddress(address, transport, port, $0) }
            case (.hashIPPortNet, let address?, let transport?, let port?):
                otherBlock.map { .addressPortNetwork(address, transport, port, $0) }
            case (.hashNet, _, _, _): block.map { .network($0) }
            case (.hashNetPort, _, let transport?, let port?): block.map { .networkPort($0, transport, port) }
            case (.bitmapPort, _, _, let port?): .port(port)
            default: nil
            }
        guard let key else { return nil }
        self.init(key, mark: mark, comment: comment)
    }
}

extension Attribute {
    /// The address within, which is an attribute of its own (`IPSET_ATTR_IPADDR_IPV4`, `…_IPV6`).
    fileprivate var address: IPAddress? { nested.first { _ in true }.flatMap { IPAddress(networkBytes: $0.payload) } }
}

extension IPFamily {
    /// `NFPROTO_IPV4`, `NFPROTO_IPV6` (linux/netfilter.h).
    init?(setNumber number: UInt8) {
        switch number {
        case 2: self = .ipv4
        case 10: self = .ipv6
        default: return nil
        }
    }

    var setNumber: UInt8 { self == .ipv4 ? 2 : 10 }
}
