internal import NetAddress
internal import ServiceModel

/// Who may use the load-balancer addresses of a service in one family (semantics 4, 9 and 35).
enum SourceRanges {
    /// The blocks that may, none within another; nil is everybody.
    ///
    /// A list that names only the other family closes this one. A block of all addresses opens it. The address itself
    /// is always among its sources: only the node's own processes can send from it, where it is bound to the node.
    static func allowed(_ service: Service, to address: IPAddress) -> [CIDR]? {
        guard !service.loadBalancerSourceRanges.isEmpty else { return nil }
        let blocks = service.loadBalancerSourceRanges.filter { $0.family == address.family }
        guard !blocks.isEmpty else { return [] }
        guard !blocks.contains(where: { $0.prefixLength == 0 }) else { return nil }
        // In order of address and length, a block comes after the one that holds it.
        var distinct: [CIDR] = []
        for block in (blocks + [CIDR(address)]).sorted() where distinct.last?.contains(block.address) != true {
            distinct.append(block)
        }
        return distinct
    }
}
