public import ServiceModel

extension NodeFacts {
    /// The same facts with the zone that the cluster says the node is in, where nobody gave one (`--zone`).
    ///
    /// - Parameter node: the node that these facts are about; nil if the cluster says nothing of it.
    public func located(by node: ClusterNode?) -> NodeFacts {
        var facts = self
        facts.zone = zone ?? node?.zone
        return facts
    }
}
