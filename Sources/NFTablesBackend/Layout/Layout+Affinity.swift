internal import NFTables
internal import NetAddress

// Session affinity and turns: where more than the address that a client uses must be known to choose an endpoint.
//
// All addresses of a service port share what is remembered, so each is translated to the number of its pool, which is
// what the look-ups after that go by. nft can neither print nor load a rule that uses the outcome of one look-up in the
// next, so the number stands in the packet for a moment, where the destination was: the rules that write it put the
// destination back, from what connection tracking has seen, before the packet leaves them.

extension Layout {
    /// Who a client is to a pool: its address, the pool's number in place of the destination, and a protocol, which nft
    /// must see in a rule that redirects to a port.
    static func clientKey(_ family: IPFamily) -> [Field] {
        [.originalSource(family), .destinationAddress(family), .transportProtocol]
    }

    /// Whom a connection was redirected to.
    static func chosenEndpoint(_ family: IPFamily) -> [Field] { [.replySource(family), .destinationPort] }

    /// Addresses that have a pool ask it first.
    ///
    /// Each look-up sees what is right at its moment. A packet that asks for N slots before a change and for M after it finds
    /// no endpoint although there always were some; it is dropped, and its client sends again. Those that have none are
    /// left to the filters.
    func choose(_ family: IPFamily, _ numbers: SetID.Role, _ pick: ChainName) -> [[Statement]] {
        let map = SetID(family, numbers)
        let without: [SetID.Role] =
            numbers.isForNodePorts ? [.rejectedNodePorts, .droppedNodePorts] : [.rejectedServices, .droppedServices]
        let hasEndpoints = without.map { role -> Statement in
            let set = SetID(family, role)
            return .member(set.definition.key, of: set.name, inverted: true)
        }
        return [
            [.setDestination(family, map.definition.key, map: map.name), jump(.numbered)],
            [jump(pick)],
            hasEndpoints + [.verdict(.drop)],
        ]
    }

    /// A client that is remembered goes where it was (semantics 36); others take their turn, or what the address gives.
    func numbered(_ family: IPFamily) -> [[Statement]] {
        [[jump(.remembered)], [jump(.turns)], [.setDestination(family, [.originalDestination(family)])]]
    }

    /// A connection that is redirected to the very address and port that it asks for, as an endpoint in the host network
    /// may have, is left by the kernel as it is, and that is with the number. Connections of others, who may use such
    /// addresses after all, stay as they are.
    func restoreDestination(_ family: IPFamily) -> [[Statement]] {
        [[.address(.destination, .equal, PoolAddress.block(family)), .connectionIsNew, restore(family)]]
    }

    /// Finds the pool by what the client addressed: an address of a service, or a node port. nft takes the port of a
    /// connection only where the rule names the protocol.
    func learn(_ family: IPFamily) -> [[Statement]] {
        let port: [Field] = [.connectionProtocol, .originalDestinationPort]
        let address: [Field] = [.originalDestination(family)]
        func find(_ role: SetID.Role, _ key: [Field]) -> [Statement] {
            [.setDestination(family, key, map: SetID(family, role).name), goto(.remember)]
        }
        let services = TransportProtocol.allCases.map {
            [.transportIs($0)] + find(.affinityServices, address + port)
        }
        let nodePorts = nodePortAddresses(family).flatMap { isOurs in
            TransportProtocol.allCases.map { transport in
                isOurs + [.transportIs(transport)] + isNoService(address + port, family)
                    + find(.affinityNodePorts, port)
            }
        }
        return services + [[.setDestination(family, [.originalDestination(family)])]] + nodePorts
            + [[restore(family)]]
    }

    /// Remembers a client of an endpoint that may have it, under the pool of the cluster and then under that of the node.
    /// A connection that went by what was remembered of an endpoint which has left is stopped here, and the memory with it:
    /// the client's next attempt finds another endpoint (semantics 37). Where somebody else has sent a connection to such
    /// an address is not ours to judge.
    func remember(_ family: IPFamily) -> [[Statement]] {
        let departed = SetID(family, .affinityDeparted)
        let elsewhere = SetID(family, .affinityElsewhere)
        let local = SetID(family, .affinityLocalNumbers)
        return refresh(family) + [
            [
                isEligible(family, false), .member(Self.numberAndEndpoint(family), of: departed.name),
                .member(Self.numberAndEndpoint(family), of: elsewhere.name, inverted: true), .verdict(.drop),
            ],
            [.setDestination(family, local.definition.key, map: local.name), jump(.rememberLocal)],
            [restore(family)],
        ]
    }

    func rememberLocal(_ family: IPFamily) -> [[Statement]] { refresh(family) }

    private func refresh(_ family: IPFamily) -> [[Statement]] {
        [[isEligible(family, true), jump(.updateAffinity)], [isEligible(family, false), jump(.forget)]]
    }

    private func isEligible(_ family: IPFamily, _ isEligible: Bool) -> Statement {
        .member(
            Self.numberAndEndpoint(family), of: SetID(family, .affinityEndpoints).name, inverted: !isEligible)
    }

    private static func numberAndEndpoint(_ family: IPFamily) -> [Field] {
        [.destinationAddress(family)] + chosenEndpoint(family)
    }

    /// After destination NAT the packet's own destination is who will answer.
    private func restore(_ family: IPFamily) -> Statement { .setDestination(family, [.replySource(family)]) }
}
