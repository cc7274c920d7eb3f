import NetAddress

// Addresses, ports and protocols.

extension ValueReader {
    /// What an address is for decides which kinds of address make sense.
    enum AddressUse: String {
        case service = "a service's address"
        case endpoint = "an endpoint's address"
    }

    func port(_ node: NodeID) -> UInt16? { integer(node, in: 1...65535).map { UInt16(truncatingIfNeeded: $0) } }

    func transport(_ node: NodeID) -> TransportProtocol? {
        guard isString(node) else { return nil }
        if tree.text(of: node, is: "TCP") { return .tcp }
        if tree.text(of: node, is: "UDP") { return .udp }
        if tree.text(of: node, is: "SCTP") { return .sctp }
        fail(node, "expected \"TCP\", \"UDP\" or \"SCTP\", found \(description(of: node))")
        return nil
    }

    func address(_ node: NodeID, for use: AddressUse) -> IPAddress? {
        guard isString(node) else { return nil }
        guard let address = tree.withText(of: node, { IPAddress(utf8: $0) }) else {
            fail(node, "\(description(of: node)) is not an IP address\(addressHint(node))")
            return nil
        }
        if let kind = Self.unusableKind(of: address) {
            fail(node, "\(address) is \(kind); it cannot be \(use.rawValue)")
            return nil
        }
        return address
    }

    private static func unusableKind(of address: IPAddress) -> String? {
        if address.isUnspecified { return "the unspecified address" }
        if address.isLoopback { return "a loopback address" }
        if address.isLinkLocal { return "a link-local address" }
        if address.isMulticast { return "a multicast address" }
        if address.isLimitedBroadcast { return "the broadcast address" }
        if address.isIPv4Mapped { return "an IPv4 address in IPv6 form; write it as IPv4" }
        return nil
    }

    /// Says what is wrong with the texts that people often take for addresses.
    private func addressHint(_ node: NodeID) -> String {
        let text = tree.string(node)
        if text.contains("/") { return "; leave out the prefix length" }
        if text.contains("%") { return "; leave out the zone" }
        if text.hasPrefix("[") { return "; leave out the brackets" }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let hasLeadingZero = parts.contains { $0.count > 1 && $0.hasPrefix("0") && $0.allSatisfy(\.isNumber) }
        return parts.count == 4 && hasLeadingZero ? "; leave out leading zeros" : ""
    }

    /// A list of service addresses. With `isStrict`, an address that stands twice is an error; else it counts once.
    func serviceAddresses(_ list: NodeID, isStrict: Bool) -> [IPAddress] {
        guard isList(list) else { return [] }
        var addresses: [IPAddress] = []
        var seen: Set<IPAddress> = []
        for element in tree.elements(of: list) {
            guard let address = address(element, for: .service) else { continue }
            if seen.insert(address).inserted {
                addresses.append(address)
            } else if isStrict {
                fail(element, "\(address) stands twice in this list")
            }
        }
        return addresses
    }

    /// Cluster IPs: at most one of a family.
    func clusterIPs(_ list: NodeID) -> [IPAddress] {
        guard isList(list) else { return [] }
        var addresses: [IPAddress] = []
        for element in tree.elements(of: list) {
            guard let address = address(element, for: .service) else { continue }
            if let other = addresses.first(where: { $0.family == address.family }) {
                fail(element, "a service has one cluster IP of a family, and \(other) is \(other.family) too")
            } else {
                addresses.append(address)
            }
        }
        return addresses
    }

    /// A list of address blocks; white space around them is ignored (semantics 4). Each is shown to `inspect`.
    func sourceRanges(_ list: NodeID, inspect: (NodeID, CIDR) -> Void = { _, _ in }) -> [CIDR] {
        guard isList(list) else { return [] }
        var ranges: [CIDR] = []
        for element in tree.elements(of: list) {
            guard let text = string(element) else { continue }
            let trimmed = text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()
            if let range = CIDR(String(trimmed)) {
                inspect(element, range)
                ranges.append(range)
            } else {
                fail(element, "\(text.quoted) is not an address block such as 198.51.100.0/24")
            }
        }
        return ranges
    }
}
