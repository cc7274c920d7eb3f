import DataplaneConformance
import IPVSBackend
import NetAddress
import ServiceModel
import ServicePlan

typealias Scenario = DefinitionScenario<IPVSBackend>

/// Definitions that between them use every set, chain and kind of server.
enum Scenarios {
    static let all: [Scenario] = {
        var plain = NodeFacts(nodeName: "node-a")
        plain.addresses = ["192.0.2.10", "198.51.100.4", "2001:db8::10"]
        var known = plain
        known.clusterCIDRs = ["10.244.0.0/16", "fd00:244::/32"].compactMap { CIDR($0) }
        known.serviceCIDRs = ["10.96.0.0/12", "fd00:96::/112"].compactMap { CIDR($0) }
        known.nodePortAddresses = ["192.0.2.0/24", "2001:db8::/61"].compactMap { CIDR($0) }
        var masquerading = plain
        masquerading.masqueradeAll = true
        masquerading.podInterfaces = [.bridge("cni0"), .prefix("veth")]
        return [
            Scenario("nothing", Desired(services: [])),
            Scenario("every kind", Desired(services: SampleServices.everything, node: plain)),
            Scenario(
                "lists and weights, and blocks are known", Desired(services: listed, node: known, masqueradeBit: 31)),
            Scenario(
                "schedulers and affinity, and masquerade all",
                Desired(services: scheduled, node: masquerading, masqueradeBit: 0)),
        ]
    }()

    /// Every service with weights and with lists of sources, one of which denies everything.
    static let listed = zip(SampleServices.listed, SampleServices.weighted).map { listed, weighted in
        var service = listed
        service.endpoints = weighted.endpoints
        if !service.deniedSources.isEmpty { service.deniedSources += ["0.0.0.0/0"].compactMap { CIDR($0) } }
        return service
    }

    /// One service for each scheduler, method and flag, every other one with clients that are remembered.
    static let scheduled = Scheduler.allCases.enumerated().map { index, scheduler in
        Service.test(
            scheduler.rawValue.lowercased(), clusterIPs: [IPAddress(ipv4: 0x0a60_0100 + UInt32(index))],
            transport: TransportProtocol.allCases[index % 3], endpoints: ["10.244.1.2", "10.244.1.3", "10.244.2.2"]
        ) {
            $0.scheduler = scheduler
            $0.ports[0].target = .number(80)
            if index % 2 == 0 { $0.clientIPAffinitySeconds = [10800, 60, 86400][index % 3] }
            if [.sh, .mh].contains(scheduler) { $0.virtualServer.schedulerFlags = [.fallback, .port] }
            // The stock tool takes this for UDP alone.
            $0.virtualServer.isOnePacket = index % 3 == 1
            $0.virtualServer.forwardingMethod = ForwardingMethod.allCases[index % 4 % 3]
        }
    }
}
