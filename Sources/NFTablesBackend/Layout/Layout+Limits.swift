internal import NFTables
internal import NetAddress

// Who may use a service, and how much of it.

extension Layout {
    /// Semantics 34: lists of sources are asked before NAT, by new connections alone.
    func sourceCheck(_ family: IPFamily) -> [[Statement]] {
        let ports = nodePorts(family)
        return [
            [member(.restrictedServices, family), sources(.sourceRanges, family, areIn: false), goto(.blocked)],
            [member(.denyingServices, family), sources(.deniedSources, family, areIn: true), goto(.blocked)],
        ]
            + ports.map { isOurs in
                [member(.restrictedNodePorts, family)] + isOurs
                    + [sources(.nodePortSourceRanges, family, areIn: false), goto(.blocked)]
            }
            + ports.map { isOurs in
                [member(.denyingNodePorts, family)] + isOurs
                    + [sources(.nodePortDeniedSources, family, areIn: true), goto(.blocked)]
            }
    }

    /// What is addressed is a node port, where the port alone would say so.
    private func nodePorts(_ family: IPFamily) -> [[Statement]] {
        let services = isNoService(SetID(family, .clusterServices).definition.key, family)
        return nodePortAddresses(family).map { $0 + services }
    }

    private func sources(_ role: SetID.Role, _ family: IPFamily, areIn: Bool) -> Statement {
        let set = SetID(family, role)
        return .member(set.definition.key, of: set.name, inverted: !areIn)
    }

    /// All addresses of a service count together, so they lead to its number, which stands in the packet's destination
    /// for the rules of the limits.
    func limited(_ family: IPFamily) -> [[Statement]] {
        func find(_ role: SetID.Role) -> [Statement] {
            let map = SetID(family, role)
            return [.setDestination(family, map.definition.key, map: map.name), goto(.limits)]
        }
        return [find(.limitedServices)] + nodePorts(family).map { $0 + find(.limitedNodePorts) }
    }

    func limits(_ family: IPFamily) -> [[Statement]] {
        [
            [member(.connectionLimits, family), goto(.overLimit)],
            [jump(.limitedSources)],
            [.setDestination(family, [.originalDestination(family)])],
        ]
    }
}
