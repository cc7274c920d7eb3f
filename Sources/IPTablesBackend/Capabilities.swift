public import Dataplane
public import ServiceModel
public import ServicePlan

extension IPTablesBackend {
    /// What this backend does of all that a definition can ask for.
    public static let capabilities: [Capability] = [
        Capability(.schedulerRandom, .yes, "each connection draws anew, endpoint by endpoint with probability 1/(n-i)"),
        Capability(
            .schedulerRoundRobin, .no, "iptables' match statistic counts for each rule, not for each service port"),
        Capability(.schedulerSourceHash, .no, "iptables has no match that hashes a client's address"),
        Capability(.schedulerMaglev, .no, "iptables has no match that hashes a client's address"),
        Capability(.schedulersOfIPVS, .no, "rr, wrr, lc, wlc, sh, dh, sed, nq, lblc, lblcr, mh, fo and ovf are IPVS's"),
        Capability(.weights, .yes, "as probabilities: shares of new connections; 0 drains"),
        Capability(
            .sessionAffinity, .yes,
            "by the match recent: the last 100 clients of each endpoint (module parameter ip_list_tot of xt_recent), "
                + "beyond which the oldest are forgotten; each new connection starts the timeout anew"),
        Capability(.trafficPolicies, .yes, "internal and external, with the short circuit for the node's own clients"),
        Capability(.topology, .yes, "zone and node hints, trafficDistribution"),
        Capability(
            .sourceRanges, .yes,
            "loadBalancerSourceRanges, allow and deny, before NAT; what is turned away is dropped "
                + "in the table filter"),
        Capability(.maxConnections, .yes, "by the match connlimit: a rule for the service in each family"),
        Capability(.maxConnectionsPerSource, .yes, "by the match connlimit: a rule for the service in each family"),
        Capability(
            .newConnectionsPerSecond, .yes,
            "by the match hashlimit, in whole microseconds between two connections: of rates above 1000 not all can be "
                + "told apart; as many sources as its table holds by default"),
        Capability(.rejectUndefinedPorts, .yes, "undefined ports of cluster IPs are refused at once; a rule for each"),
        Capability(.hairpin, .yes, "an endpoint may reach itself through its service, by the match bpf"),
        Capability(.endsUDPFlows, .yes, "UDP flows to endpoints that are gone are ended, TCP is left alone"),
        Capability(.healthCheckNodePort, .yes, "answered by svcctl agent"),
    ]

    /// The ways to choose an endpoint that this backend has.
    public static let schedulers: [Scheduler] = [.random]

    /// What of a service this backend does not do.
    public static func limits(of service: Service, on node: NodeFacts) -> [BackendLimit] {
        BackendLimit.common(service, schedulers, backend: name)
    }
}
