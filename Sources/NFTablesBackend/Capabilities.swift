public import Dataplane

extension NFTablesBackend {
    /// What this backend does of all that a definition can ask for.
    public static let capabilities: [Capability] = [
        Capability(.schedulerRandom, .yes, "each connection draws anew"),
        Capability(
            .schedulerRoundRobin, .yes,
            "exact for all addresses of a service port together; a rule for each, in 64 chains by number"),
        Capability(.schedulerSourceHash, .yes, "by client address; all move when endpoints come or go"),
        Capability(.schedulerMaglev, .yes, "by client address; a table of 251 to 65521 slots for each address"),
        Capability(.schedulersOfIPVS, .no, "rr, wrr, lc, wlc, sh, dh, sed, nq, lblc, lblcr, mh, fo and ovf are IPVS's"),
        Capability(.weights, .yes, "shares of new connections with every scheduler; 0 drains"),
        Capability(
            .sessionAffinity, .yes,
            "up to 262144 clients a family for each 16th of the service ports; each new connection starts the timeout anew. "
                + "An endpoint that leaves costs a look at these clients: milliseconds at thousands, a second at a hundred "
                + "thousand. nft 1.0.6 lists the IPv6 rules, but cannot load them"),
        Capability(.trafficPolicies, .yes, "internal and external, with the short circuit for the node's own clients"),
        Capability(.topology, .yes, "zone and node hints, trafficDistribution"),
        Capability(
            .sourceRanges, .yes,
            "loadBalancerSourceRanges, allow and deny, before NAT; of connections that stand, one-way UDP alone is cut"),
        Capability(
            .maxConnections, .yes,
            "counted by an expression of the service's element, anew when the number changes; kernels before 6.15, but for stable releases since April "
                + "2025, forget it a second after the last connection, until the next full comparison"),
        Capability(
            .maxConnectionsPerSource, .yes, "up to 1048576 sources a family; a rule for each value in use"),
        Capability(
            .newConnectionsPerSecond, .yes, "up to 1048576 sources a family; a rule for each rate and burst in use"),
        Capability(.rejectUndefinedPorts, .yes, "undefined ports of cluster IPs are refused at once"),
        Capability(.hairpin, .yes, "an endpoint may reach itself through its service"),
        Capability(.endsUDPFlows, .yes, "UDP flows to endpoints that are gone are ended, TCP is left alone"),
        Capability(.healthCheckNodePort, .yes, "answered by svcctl agent"),
    ]
}
