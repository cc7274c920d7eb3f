public import Dataplane
internal import NetAddress
public import ServiceModel
public import ServicePlan

extension IPVSBackend {
    /// What this backend does of all that a definition can ask for.
    public static let capabilities: [Capability] = [
        Capability(.schedulerRandom, .yes, "as wrr: endpoints take turns by weight, which gives the same shares"),
        Capability(.schedulerRoundRobin, .yes, "as wrr: each address has turns of its own"),
        Capability(.schedulerSourceHash, .yes, "as sh: by client address"),
        Capability(.schedulerMaglev, .yes, "as mh: by client address; kernel 4.18 and later"),
        Capability(
            .schedulersOfIPVS, .yes,
            "rr, wrr, lc, wlc, sh, dh, sed, nq, lblc, lblcr, mh, fo and ovf, with schedulerFlags, as far as the kernel has "
                + "their modules"),
        Capability(
            .weights, .yes,
            "as the scheduler takes them: rr, lc, dh and lblc know only 0 and more; 0 drains"),
        Capability(
            .sessionAffinity, .yes,
            "by persistence: each address remembers clients by itself, and for as long as they have connections, also "
                + "closed ones (120 s)"),
        Capability(
            .trafficPolicies, .yes,
            "internal and external; the node's own clients of external addresses under policy Local are told by a mark of "
                + "0x50000000/0xf0000000 on the first packet, which takes the place of other marks"),
        Capability(.topology, .yes, "zone and node hints, trafficDistribution"),
        Capability(
            .sourceRanges, .yes,
            "loadBalancerSourceRanges, allow and deny, in the table mangle: what is turned away is dropped"),
        Capability(.maxConnections, .no, "IPVS has no limit for a virtual server"),
        Capability(.maxConnectionsPerSource, .no, "IPVS has no limit for a client"),
        Capability(.newConnectionsPerSecond, .no, "IPVS has no limit for a client"),
        Capability(
            .rejectUndefinedPorts, .yes,
            "of all service addresses, so that no port of the node's own is reached by them; they answer ping"),
        Capability(.hairpin, .yes, "an endpoint may reach itself through its service, by the match bpf"),
        Capability(.endsUDPFlows, .yes, "UDP flows to endpoints that are gone are ended, TCP is left alone"),
        Capability(.healthCheckNodePort, .yes, "answered by svcctl agent"),
    ]

    /// The ways to choose an endpoint that this backend has.
    public static let schedulers: [Scheduler] = Scheduler.allCases

    public static func limits(of service: Service, on node: NodeFacts) -> [BackendLimit] {
        var limits = BackendLimit.common(service, schedulers, backend: name)
        func refuse(_ message: String) { limits.append(BackendLimit(isRefused: true, message: message)) }
        if service.maxConnections != nil || service.maxConnectionsPerSource != nil
            || service.newConnectionsPerSecond != nil
        {
            refuse(
                "maxConnections and newConnectionsPerSecond are not available with --backend ipvs, but with nftables and "
                    + "iptables")
        }
        let own = node.addresses ?? []
        let addresses = service.clusterIPs + service.externalIPs + service.loadBalancerIPs
        for address in addresses where own.contains(address) {
            refuse(
                "\(address) is an address of the node itself, and --backend ipvs would take it away from its interface; use "
                    + "a node port, or another address")
        }
        if service.virtualServer.forwardingMethod != .masquerade { limits += untranslatedLimits(service) }
        let isIPv6Off = !own.isEmpty && own.allSatisfy { $0.family == .ipv4 }
        if isIPv6Off, let example = addresses.first(where: { $0.family == .ipv6 }) {
            limits.append(
                BackendLimit(
                    isRefused: false,
                    message: "IPv6 seems to be off on this node, which has no address of it; nobody reaches "
                        + "\(example) then"))
        }
        if node.addresses == nil, service.ports.contains(where: { $0.nodePort != nil }) {
            limits.append(
                BackendLimit(
                    isRefused: false,
                    message: "the node's addresses are not known, so that its node ports are left out; name them with "
                        + "--node-address"))
        }
        return limits
    }

    /// Who gets packets as they are gets them for the port that the client asked for, and from the client.
    private static func untranslatedLimits(_ service: Service) -> [BackendLimit] {
        let method = service.virtualServer.forwardingMethod.rawValue
        return service.ports.compactMap { port in
            let others = service.endpoints.compactMap { $0.targetPort(for: port) }.filter { $0 != port.port }
            guard let other = others.first else { return nil }
            return BackendLimit(
                isRefused: true,
                message:
                    "forwardingMethod \(method) leaves packets as they are, so that port \(port.port) cannot lead to "
                    + "port \(other) of an endpoint")
        }
            + (service.ports.contains { $0.nodePort != nil }
                ? [
                    BackendLimit(
                        isRefused: true,
                        message:
                            "forwardingMethod \(method) needs endpoints that have the service's addresses too, and no "
                            + "endpoint has the node's: leave out the node ports")
                ] : [])
    }
}
