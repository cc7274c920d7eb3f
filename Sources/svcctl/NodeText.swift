internal import NFTables
internal import ServiceModel

extension ClusterNode {
    /// A Kubernetes `Node` object with what matters of it here.
    var kubernetesJSON: JSON {
        var metadata = [JSON.Member("name", .string(name))]
        if let zone {
            let label = JSON.Member("\(Self.zoneLabel)", .string(zone))
            metadata.append(JSON.Member("labels", .object([label])))
        }
        var members = [JSON.Member("apiVersion", "v1"), JSON.Member("kind", "Node")]
        switch deletion {
        case nil: members.append(JSON.Member("metadata", .object(metadata)))
        case .timestamp(let time):
            metadata.append(JSON.Member("deletionTimestamp", .string(time)))
            members.append(JSON.Member("metadata", .object(metadata)))
        case .taint:
            members.append(JSON.Member("metadata", .object(metadata)))
            let taint: JSON = ["key": .string("\(Self.deletionTaint)"), "effect": "NoSchedule"]
            members.append(JSON.Member("spec", ["taints": .array([taint])]))
        }
        return .object(members)
    }
}
