/// The names of our chains: of at most 28 characters, and none that the iptables backend could take for its own.
enum ChainName: String, CaseIterable {
    /// In `mangle`: who may use a service, and what is marked.
    case services = "SVCCTL_IPVS-SERVICES"
    /// The node's own clients of external addresses under policy Local.
    case nodeClients = "SVCCTL_IPVS-NODE-CLIENTS"
    /// Marks what does not come from the cluster's pods.
    case outside = "SVCCTL_IPVS-OUTSIDE"
    case postrouting = "SVCCTL_IPVS-POSTROUTING"
    /// In `filter`: no port of the node's own is reached through a service address.
    case filter = "SVCCTL_IPVS-FILTER"

    static let prefix = "SVCCTL_IPVS-"
}
