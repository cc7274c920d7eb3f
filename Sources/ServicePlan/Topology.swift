internal import ServiceModel

/// Which of the ready endpoints are near enough, where endpoints say for whom they are meant (semantics 13).
///
/// It is all or nothing: hints count only if every ready endpoint has them and one is meant for this node or zone, so
/// that a half-updated slice never leaves a node without endpoints. Policy Local does not ask for them.
struct Topology {
    let node: NodeFacts
    let service: Service

    /// The endpoints, by index, that this node should use; all of them where hints do not help.
    func preferred(_ ready: [Int]) -> [Int] {
        let serving = ready.filter { service.endpoints[$0].weight > 0 }
        if let name = node.nodeName, let near = meant(for: name, serving, nodeHints) { return near }
        if let zone = node.zone, let near = meant(for: zone, serving, zoneHints) { return near }
        return ready
    }

    private func meant(for place: String, _ endpoints: [Int], _ hints: (Endpoint) -> [String]) -> [Int]? {
        var near: [Int] = []
        for index in endpoints {
            let places = hints(service.endpoints[index])
            guard !places.isEmpty else { return nil }
            if places.contains(place) { near.append(index) }
        }
        return near.isEmpty ? nil : near
    }

    /// EndpointSlices bring their hints along; a native definition has them by its `trafficDistribution` (KEP-2433,
    /// KEP-3015), which Kubernetes' control plane would turn into the same.
    private func nodeHints(_ endpoint: Endpoint) -> [String] {
        if !endpoint.nodeHints.isEmpty { return endpoint.nodeHints }
        guard derivesHints, service.trafficDistribution == "PreferSameNode" else { return [] }
        return endpoint.nodeName.map { [$0] } ?? []
    }

    private func zoneHints(_ endpoint: Endpoint) -> [String] {
        if !endpoint.zoneHints.isEmpty { return endpoint.zoneHints }
        return derivesHints ? endpoint.zone.map { [$0] } ?? [] : []
    }

    private var derivesHints: Bool { !service.isFromKubernetes && service.trafficDistribution != nil }

    /// Whether anything but "all endpoints" can come out.
    var isNeeded: Bool {
        guard node.nodeName != nil || node.zone != nil else { return false }
        if derivesHints { return true }
        return service.endpoints.contains { !$0.zoneHints.isEmpty || !$0.nodeHints.isEmpty }
    }
}
