import DataplaneConformance
import NFTablesBackend
import NetAddress
import ServiceModel

typealias Scenario = DefinitionScenario<NFTablesBackend>

/// Definitions that between them use every set, chain and rule of the layout.
enum Scenarios {
    static let loadable: [Scenario] = {
        let node = SampleServices.nodeWithInterfaces
        return Scenario.everyNode + [
            Scenario("schedulers, and pods by interface", Desired(services: scheduled, node: node)),
            Scenario("lists and limits, node ports on blocks", Desired(services: SampleServices.limited, node: node)),
            Scenario("affinity in IPv4", Desired(services: sticky.map(ipv4Only))),
            Scenario("affinity in both families, endpoints in IPv4", Desired(services: sticky.map(ipv4Endpoints))),
        ]
    }()

    /// Stock nft 1.0.6 lists rules that fill maps with keys of over 16 bytes, as IPv6 affinity has them, but it fails to
    /// load them.
    static let listed = [
        Scenario("affinity", Desired(services: sticky, node: SampleServices.nodeWithInterfaces))
    ]

    private static let scheduled = SampleServices.weighted.enumerated().map(rescheduled)
    private static let sticky = SampleServices.sticky.enumerated().map(rescheduled)

    private static func rescheduled(_ index: Int, _ service: Service) -> Service {
        var service = service
        service.scheduler = NFTablesBackend.schedulers[index % 4]
        return service
    }

    private static func ipv4Endpoints(_ service: Service) -> Service {
        var service = service
        service.endpoints.removeAll { $0.address.family == .ipv6 }
        return service
    }

    private static func ipv4Only(_ service: Service) -> Service {
        var service = service
        service.clusterIPs.removeAll { $0.family == .ipv6 }
        service.externalIPs.removeAll { $0.family == .ipv6 }
        service.loadBalancerIPs.removeAll { $0.family == .ipv6 }
        return service
    }
}
