internal import Glibc
internal import NetAddress
public import Netlink
internal import NetlinkWire

/// The links and addresses of a network namespace, by rtnetlink.
public struct LinkSocket: ~Copyable {
    var socket: NetlinkSocket

    /// Opens a socket in the calling thread's network namespace. Reading takes no privilege, changing CAP_NET_ADMIN.
    public init() throws(NetlinkError) { socket = try NetlinkSocket(.route) }

    // MARK: - Reading

    /// All links, by their indices.
    public mutating func links() throws(LinkError) -> [Link] {
        do {
            let links = try socket.dump(
                RouteMessage.getLink, "listing links", header: { $0.linkHeader() }, Link.init(_:))
            return links.sorted { $0.index < $1.index }
        } catch {
            throw LinkError(error, "links")
        }
    }

    /// The link of a name; nil if there is none.
    public mutating func link(named name: String) throws(LinkError) -> Link? {
        guard Self.isName(name) else { return nil }
        var link: Link?
        do {
            try socket.request(type: RouteMessage.getLink, flags: [], operation: "looking for a link") { buffer in
                buffer.linkHeader()
                buffer.attribute(LinkAttribute.name, string: name)
            } onMessage: { message in
                link = link ?? Link(message)
            }
        } catch {
            guard error.isMissingLink else { throw LinkError(error, "link \(name)") }
        }
        return link
    }

    /// All addresses of all links, in order.
    public mutating func addresses() throws(LinkError) -> [LinkAddress] {
        do { return try LinkAddress.all(&socket).sorted() } catch { throw LinkError(error, "addresses") }
    }

    // MARK: - Links

    /// Makes a link that leads nowhere, with a text by which to know it again. It is up and asks for no hardware
    /// addresses.
    ///
    /// The kernel takes no text for a link that it makes, and giving it by name could hit a link that somebody else has
    /// made just then. So it is made first, down, and marked by its index afterwards. If the process ends in between,
    /// the next call goes on with what is there: a dummy of the name that is down and has no text.
    @discardableResult
    public mutating func addDummy(_ name: String, alias: String) throws(LinkError) -> Link {
        try Self.check(name, alias)
        do {
            try request(RouteMessage.newLink, [.create, .exclusive], "adding a link") { buffer in
                buffer.linkHeader()
                buffer.attribute(LinkAttribute.name, string: name)
                buffer.nested(LinkAttribute.info) { $0.attribute(LinkAttribute.infoKind, string: "dummy") }
            }
        } catch {
            if error.isUnsupported { throw LinkError(.missingModule("dummy"), "link \(name)") }
            guard error.isPresent, let present = try link(named: name), present.isUnfinished else {
                throw LinkError(error, "link \(name)")
            }
        }
        guard let made = try link(named: name) else { throw LinkError(.linkAbsent, "link \(name)") }
        return try setUp(made, alias: alias)
    }

    /// Gives a link its text, sets it up, and has it ask for no hardware addresses.
    @discardableResult
    public mutating func setUp(_ link: Link, alias: String) throws(LinkError) -> Link {
        try Self.check(link.name, alias)
        let flags = Link.Flags([.up, .noARP])
        do {
            try request(RouteMessage.newLink, [], "setting up a link") { buffer in
                buffer.linkHeader(index: link.index, flags: flags.rawValue, changing: flags.rawValue)
                buffer.attribute(LinkAttribute.alias, string: alias)
            }
        } catch {
            throw LinkError(error, "link \(link.name)")
        }
        var marked = link
        marked.alias = alias
        marked.flags.formUnion(flags)
        return marked
    }

    /// Removes a link and its addresses. It is known by its index, so that another one of the same name is not hit.
    public mutating func remove(_ link: Link) throws(LinkError) {
        do {
            try request(RouteMessage.deleteLink, [], "removing a link") { $0.linkHeader(index: link.index) }
        } catch {
            throw LinkError(error, "link \(link.name)")
        }
    }

    private mutating func request(
        _ type: UInt16, _ flags: MessageFlags, _ operation: String, _ write: (inout MessageBuffer) -> Void
    ) throws(NetlinkError) {
        try socket.request(
            type: type, flags: flags.union(.acknowledge), operation: operation, write, onMessage: { _ in })
    }

    private static func check(_ name: String, _ alias: String) throws(LinkError) {
        guard isName(name) else {
            throw LinkError(.invalid("a name has 1 to 15 bytes without spaces, slashes and colons"), "link \(name)")
        }
        guard alias.utf8.count < aliasLimit, !alias.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
            throw LinkError(
                .invalid("an alias has at most 255 bytes without control characters"), "link \(name)")
        }
    }

    /// As the kernel has it (dev_valid_name in net/core/dev.c).
    private static func isName(_ name: String) -> Bool {
        let excluded: [UInt8] = [UInt8(ascii: "/"), UInt8(ascii: ":")]
        return (1...15).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != 0xa0 && !excluded.contains($0) }
    }

    /// `IFALIASZ` (linux/if.h).
    private static let aliasLimit = 256
}

extension Link {
    /// Whether it may be what ``LinkSocket/addDummy(_:alias:)`` had made when the process ended.
    public var isUnfinished: Bool { kind == "dummy" && alias == nil && !flags.contains(.up) }
}

extension NetlinkError {
    /// Whether the link is not there (ENODEV; ENXIO from some).
    var isMissingLink: Bool { errno == ENODEV || errno == ENXIO }
}
