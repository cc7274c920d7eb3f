internal import NetAddress
internal import ServiceModel

/// Who may use the addresses of a service in one family.
struct SourceRanges {
    /// Who may not, whatever else allows it; no block within another.
    let denied: [CIDR]
    /// Who may use any address: a native definition's `allow`; nil is everybody.
    private let allowed: [CIDR]?
    /// Who may use load-balancer addresses, beside that (semantics 4 and 9); nil is everybody.
    private let balancerSources: [CIDR]?
    private let nodeAddresses: Set<IPAddress>?
    private let family: IPFamily

    init(_ service: Service, _ family: IPFamily, _ node: NodeFacts) {
        nodeAddresses = node.addresses
        self.family = family
        denied = Self.distinct(service.deniedSources.filter { $0.family == family })
        allowed = Self.restriction(service.allowedSources, family)
        balancerSources = Self.restriction(service.loadBalancerSourceRanges, family)
    }

    /// The blocks that may use an address, none within another; nil is everybody.
    ///
    /// Where source ranges of a load-balancer address allow the node's own, the address itself is among its sources: the
    /// node's processes send from it where it is bound to the node (semantics 35). So it is where nobody knows the node's
    /// addresses, since nobody else can send from it. A family that either list closes is closed to them too.
    func allowed(to address: FrontendAddress) -> [CIDR]? {
        guard case .loadBalancerIP(let ip) = address, let balancerSources else { return allowed }
        guard !balancerSources.isEmpty, allowed?.isEmpty != true else { return [] }
        let common = allowed.map { Self.intersection($0, balancerSources) } ?? balancerSources
        let allowsNode = nodeAddresses?.contains { address in common.contains { $0.contains(address) } } ?? true
        return allowsNode ? Self.distinct(common + [CIDR(ip)]) : common
    }

    /// Whether the node's own processes may use an address, by the addresses that the node has: one that may is enough, and
    /// one that may not is too. Nil where there are no lists, and where the node's addresses are not known.
    func admitsNode(at address: FrontendAddress) -> Bool? {
        let allowed = allowed(to: address)
        guard let nodeAddresses, allowed != nil || !denied.isEmpty else { return nil }
        let own = nodeAddresses.filter { $0.family == family }
        if own.contains(where: { address in denied.contains { $0.contains(address) } }) { return false }
        guard let allowed else { return true }
        return own.contains { address in allowed.contains { $0.contains(address) } }
    }

    /// What a list says about a family: a list that names only the other one closes this one, and a block of all
    /// addresses opens it. An empty list says nothing.
    private static func restriction(_ list: [CIDR], _ family: IPFamily) -> [CIDR]? {
        guard !list.isEmpty else { return nil }
        let blocks = list.filter { $0.family == family }
        return blocks.contains { $0.prefixLength == 0 } ? nil : distinct(blocks)
    }

    /// In order of address and length, a block comes after the one that holds it.
    private static func distinct(_ blocks: [CIDR]) -> [CIDR] {
        var distinct: [CIDR] = []
        for block in blocks.sorted() where distinct.last?.contains(block.address) != true { distinct.append(block) }
        return distinct
    }

    /// What lies in both lists, whose blocks are in order and apart. Of two blocks that meet, one holds the other.
    private static func intersection(_ left: [CIDR], _ right: [CIDR]) -> [CIDR] {
        var common: [CIDR] = []
        var (leftIndex, rightIndex) = (left.startIndex, right.startIndex)
        while leftIndex < left.endIndex, rightIndex < right.endIndex {
            let (first, second) = (left[leftIndex], right[rightIndex])
            let (outer, inner) = first.prefixLength <= second.prefixLength ? (first, second) : (second, first)
            if outer.contains(inner.address) { common.append(inner) }
            if first.lastAddress < second.lastAddress { leftIndex += 1 } else { rightIndex += 1 }
        }
        return common
    }
}
