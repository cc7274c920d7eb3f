// The fields of the native form. An unknown one is an error.

enum NativeDocumentField: String, CaseIterable {
    case services
    static let table = FieldTable<NativeDocumentField>()
}

enum NativeServiceField: String, CaseIterable {
    case name, clusterIPs, externalIPs, loadBalancerIPs, loadBalancerSourceRanges, ports, sessionAffinity
    case internalTrafficPolicy, externalTrafficPolicy, healthCheckNodePort, publishNotReadyAddresses
    case trafficDistribution, scheduler, schedulerFlags, onePacket, forwardingMethod, endpoints
    case allow, deny, maxConnections, newConnectionsPerSecond
    static let table = FieldTable<NativeServiceField>()
}

enum NativePortField: String, CaseIterable {
    case name, `protocol`, port, targetPort, nodePort
    static let table = FieldTable<NativePortField>()
}

enum NativeEndpointField: String, CaseIterable {
    case address, ports, conditions, nodeName, zone, weight, hints
    static let table = FieldTable<NativeEndpointField>()
}

enum ConditionField: String, CaseIterable {
    case ready, serving, terminating
    static let table = FieldTable<ConditionField>()
}

enum HintField: String, CaseIterable {
    case forZones, forNodes
    static let table = FieldTable<HintField>()
}

enum HintEntryField: String, CaseIterable {
    case name
    static let table = FieldTable<HintEntryField>()
}

enum AffinityField: String, CaseIterable {
    case clientIP
    static let table = FieldTable<AffinityField>()
}

enum ClientIPField: String, CaseIterable {
    case timeoutSeconds
    static let table = FieldTable<ClientIPField>()
}

enum MaxConnectionsField: String, CaseIterable {
    case perService, perSource
    static let table = FieldTable<MaxConnectionsField>()
}

enum ConnectionRateField: String, CaseIterable {
    case perSource, burst
    static let table = FieldTable<ConnectionRateField>()
}

/// The values of `schedulerFlags`.
enum SchedulerFlagName: String, CaseIterable {
    case fallback, port
}

/// The values of `trafficDistribution`.
enum TrafficDistribution: String, CaseIterable {
    case preferClose = "PreferClose"
    case preferSameZone = "PreferSameZone"
    case preferSameNode = "PreferSameNode"
}

extension ValueReader {
    /// The field that a key names. An unknown one is noted unless the form is lenient.
    func field<Field>(_ key: NodeID, of table: FieldTable<Field>, isLenient: Bool = false) -> Field? {
        if let field = table.field(for: key, in: tree) { return field }
        if !isLenient {
            let name = tree.string(key)
            fail(key, "unknown field \(name.quoted)\(NearestName.hint(for: name, among: table.names))")
        }
        return nil
    }
}
