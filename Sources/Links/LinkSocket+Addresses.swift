internal import Glibc
public import NetAddress
internal import Netlink
internal import NetlinkWire

extension LinkSocket {
    /// Gives a link addresses that stand alone: 10.96.0.1/32, fd00::1/128. Those that it has already are left as they
    /// are. IPv6 addresses are good at once, without asking the neighbours whether somebody else has them.
    ///
    /// - Throws: the first refusal, with its address; the others are added all the same.
    /// - Returns: how many were added.
    @discardableResult
    public mutating func add(_ addresses: [IPAddress], to link: Link) throws(LinkError) -> Int {
        try change(
            RouteMessage.newAddress, [.create, .exclusive], addresses, link, "adding an address", harmless: [EEXIST])
    }

    /// Takes addresses that stand alone from a link. Those that it does not have are no error.
    ///
    /// - Throws: the first refusal, with its address; the others are removed all the same.
    /// - Returns: how many were removed.
    @discardableResult
    public mutating func remove(_ addresses: [IPAddress], from link: Link) throws(LinkError) -> Int {
        try change(
            RouteMessage.deleteAddress, [], addresses, link, "removing an address", harmless: [EADDRNOTAVAIL])
    }

    /// Many messages go in one system call. The kernel carries out each on its own and answers those that it refuses;
    /// the last of a batch is answered in any case, which proves that all were seen.
    private mutating func change(
        _ type: UInt16, _ flags: MessageFlags, _ addresses: [IPAddress], _ link: Link, _ operation: String,
        harmless: Set<Int32>
    ) throws(LinkError) -> Int {
        var done = 0
        var firstRefusal: LinkError?
        var rest = addresses[...]
        while !rest.isEmpty {
            let batch = rest.prefix(Self.addressesPerBatch)
            rest = rest.dropFirst(Self.addressesPerBatch)
            var buffer = MessageBuffer(capacity: batch.count * 72)
            for (index, address) in batch.enumerated() {
                let isLast = index == batch.count - 1
                buffer.message(
                    type: type, flags: flags.union(isLast ? [.request, .acknowledge] : .request),
                    sequence: UInt32(truncatingIfNeeded: index)
                ) { $0.write(address, link) }
            }
            let answers: [ErrorMessage]
            do {
                answers = try socket.commit(buffer, operation: operation)
            } catch {
                throw LinkError(error, "addresses of \(link.name)")
            }
            let refusals = answers.filter { $0.errno != 0 }
            done += max(batch.count - refusals.count, 0)
            if firstRefusal == nil, let refusal = refusals.first(where: { !harmless.contains($0.errno) }) {
                let address = batch.dropFirst(Int(refusal.sequence)).first
                let place = "address \(address.map(String.init(describing:)) ?? "?") of \(link.name)"
                firstRefusal =
                    refusal.errno == EACCES && address?.family == .ipv6
                    ? LinkError(.invalid("IPv6 is disabled there (net.ipv6.conf.\(link.name).disable_ipv6)"), place)
                    : LinkError(
                        NetlinkError(errno: refusal.errno, operation: operation, message: refusal.message), place)
            }
            guard firstRefusal != nil || answers.contains(where: { Int($0.sequence) == batch.count - 1 }) else {
                throw LinkError(
                    NetlinkError(errno: EPROTO, operation: operation, message: "the kernel did not answer"),
                    "addresses of \(link.name)")
            }
        }
        if let firstRefusal { throw firstRefusal }
        return done
    }

    /// So many that the answers, if all are refusals, fit a socket's default receive buffer of 208 KiB.
    private static let addressesPerBatch = 192
}

extension MessageBuffer {
    fileprivate mutating func write(_ address: IPAddress, _ link: Link) {
        addressHeader(address, flags: address.family == .ipv6 ? noDuplicateDetection : 0, link: link.index)
        let bytes = address.networkBytes
        attribute(AddressAttribute.local, bytes: bytes)
        attribute(AddressAttribute.address, bytes: bytes)
    }
}

/// `IFA_F_NODAD` (linux/if_addr.h).
private let noDuplicateDetection: UInt8 = 0x02
