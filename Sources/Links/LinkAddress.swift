public import NetAddress
internal import Netlink
internal import NetlinkWire

/// An address of a network interface.
public struct LinkAddress: Hashable, Sendable {
    public var address: IPAddress
    /// How many leading bits the interface's neighbours share: 32 or 128 for an address that stands alone.
    public var prefixLength: Int
    /// ``Link/index`` of the interface.
    public var link: UInt32

    public init(_ address: IPAddress, prefixLength: Int, link: UInt32) {
        self.address = address
        self.prefixLength = prefixLength
        self.link = link
    }
}

extension LinkAddress: Comparable {
    public static func < (left: LinkAddress, right: LinkAddress) -> Bool {
        if left.link != right.link { return left.link < right.link }
        return left.address != right.address
            ? left.address < right.address : left.prefixLength < right.prefixLength
    }
}

extension LinkAddress {
    /// `sizeof(struct ifaddrmsg)` (linux/if_addr.h).
    private static let headerLength = 8

    /// Reads a message about an address that is there or has gone; nil for other messages.
    init?(_ message: Message) {
        guard message.type == RouteMessage.newAddress || message.type == RouteMessage.deleteAddress,
            message.payload.count >= Self.headerLength
        else { return nil }
        let attributes = message.attributes(after: Self.headerLength)
        guard
            let attribute = attributes.first(AddressAttribute.local) ?? attributes.first(AddressAttribute.address),
            let address = IPAddress(networkBytes: attribute.payload)
        else { return nil }
        let prefixLength = message.payload.loadUnaligned(fromByteOffset: 1, as: UInt8.self)
        let link = message.payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        self.init(address, prefixLength: Int(prefixLength), link: link)
    }

    /// All addresses of a namespace.
    static func all(_ socket: inout NetlinkSocket) throws(NetlinkError) -> [LinkAddress] {
        // struct ifaddrmsg with no family: all of them.
        try socket.dump(
            RouteMessage.getAddress, "listing the node's addresses", header: { $0.append(0 as UInt64) },
            LinkAddress.init(_:))
    }
}

extension NetlinkSocket {
    /// Lists objects of rtnetlink. A list may change while it is dumped, and then the kernel says so.
    mutating func dump<Object>(
        _ type: UInt16, _ operation: String, header: (inout MessageBuffer) -> Void, _ read: (Message) -> Object?
    ) throws(NetlinkError) -> [Object] {
        var attempts = 0
        while true {
            var objects: [Object] = []
            do {
                try request(type: type, flags: .dump, operation: operation, header) { message in
                    if let object = read(message) { objects.append(object) }
                }
                return objects
            } catch {
                attempts += 1
                guard error.isStale, attempts < 9 else { throw error }
            }
        }
    }
}
