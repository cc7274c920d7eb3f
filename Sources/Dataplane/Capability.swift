/// One thing that a definition can ask for, and whether a backend does it.
public struct Capability: Hashable, Sendable {
    public enum Feature: String, Hashable, Sendable, CaseIterable {
        case schedulerRandom = "scheduler random"
        case schedulerRoundRobin = "scheduler roundRobin"
        case schedulerSourceHash = "scheduler sourceHash"
        case schedulerMaglev = "scheduler maglev"
        case schedulersOfIPVS = "schedulers of IPVS"
        case weights
        case sessionAffinity
        case trafficPolicies
        case topology
        case sourceRanges
        case maxConnections
        case maxConnectionsPerSource
        case newConnectionsPerSecond
        case rejectUndefinedPorts
        case hairpin
        case endsUDPFlows
        case healthCheckNodePort
    }

    public enum Support: String, Hashable, Sendable {
        case yes
        case no
    }

    public let feature: Feature
    public let support: Support
    /// Bounds and exceptions, or why not.
    public let note: String

    public init(_ feature: Feature, _ support: Support, _ note: String) {
        self.feature = feature
        self.support = support
        self.note = note
    }
}
