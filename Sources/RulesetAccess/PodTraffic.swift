public import NetAddress
public import ServicePlan
public import XTables

extension NodeFacts {
    /// What matches packets from pods in rules of iptables: one list of matches for each block of their addresses and each
    /// of their interfaces.
    public func podTraffic(_ family: IPFamily) -> [[XTMatch]] {
        clusterCIDRs.filter { $0.family == family }.sorted().map { [.source($0)] }
            + podInterfaces.map { interface in
                switch interface {
                case .bridge(let name): [.inputInterface(name)]
                case .prefix(let start): [.inputInterface(start, isPrefix: true)]
                }
            }
    }
}
