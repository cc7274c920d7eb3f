public import Dataplane
internal import NetAddress
internal import ServicePlan

/// Definitions under a name, as an argument of a test.
public struct DefinitionScenario<Backend: NodeBackend & SendableMetatype & ~Copyable>: Sendable, CustomStringConvertible
{
    public let name: String
    public let desired: DesiredServices<Backend>

    public init(_ name: String, _ desired: DesiredServices<Backend>) {
        self.name = name
        self.desired = desired
    }

    public var description: String { name }

    /// Every service of the samples on several kinds of nodes, with the lowest and the highest bit for the mark.
    public static var everyNode: [Self] {
        let blocks = ["10.244.0.0/16", "10.250.0.0/20", "fd00:244::/32", "fd00:250::/50"].compactMap { CIDR($0) }
        let nodePortBlocks = ["192.0.2.0/24", "192.0.2.7/32", "2001:db8::/61"].compactMap { CIDR($0) }
        var everywhere = NodeFacts(nodeName: "node-a", clusterCIDRs: ["0.0.0.0/0", "::/0"].compactMap { CIDR($0) })
        everywhere.serviceCIDRs = ["10.96.0.0/12", "fd00:96::/112"].compactMap { CIDR($0) }
        let noPortsInIPv6 = NodeFacts(
            masqueradeAll: true, nodePortAddresses: ["0.0.0.0/0"].compactMap { CIDR($0) })
        let services = SampleServices.everything
        return [
            Self("nothing", DesiredServices(services: [])),
            Self("every kind", DesiredServices(services: services)),
            Self(
                "cluster CIDRs and node-port blocks",
                DesiredServices(
                    services: services,
                    node: NodeFacts(nodeName: "node-a", clusterCIDRs: blocks, nodePortAddresses: nodePortBlocks),
                    masqueradeBit: 31)),
            Self(
                "all addresses are pods, and service blocks are known",
                DesiredServices(services: services, node: everywhere)),
            Self(
                "masquerade all, node ports nowhere in IPv6",
                DesiredServices(services: services, node: noPortsInIPv6, masqueradeBit: 0)),
        ]
    }
}
