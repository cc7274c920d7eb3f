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
        if case .timestamp(let time) = deletion {
            metadata.append(JSON.Member("deletionTimestamp", .string(time)))
        }
        var members: [JSON.Member] = [
            JSON.Member("apiVersion", "v1"), JSON.Member("kind", "Node"), JSON.Member("metadata", .object(metadata)),
        ]
        if deletion == .taint {
            let taint: JSON = ["key": .string("\(Self.deletionTaint)"), "effect": "NoSchedule"]
            members.append(JSON.Member("spec", ["taints": .array([taint])]))
        }
        return .object(members)
    }
}
