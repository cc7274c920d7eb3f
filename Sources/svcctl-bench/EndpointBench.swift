internal import ArgumentParser
internal import Dataplane
internal import NFTablesBackend
internal import NetAddress
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

/// One endpoint after another is replaced, as an agent would do it that holds the whole state: the service is planned and
/// lowered again, and what differs is sent.
struct EndpointBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoint", abstract: "With FILE applied, replace single endpoints, one by one.")

    @Argument var file: String
    @Option var runs = 1000

    func run() throws {
        try requireEmptyNamespace()
        let inputs = try DefinitionFiles.read([file])
        let services = try Definitions(decoding: inputs).services
        let planner = ServicePlanner(node: NodeFacts())
        var reconciliation = Reconciliation(
            NFTablesBackend(options: LayoutOptions()), plans: ServicePlans(services, node: planner.node))
        try reconciliation.observe()
        _ = try reconciliation.apply()
        // The kernel enlarges its tables for a while after a bulk load.
        _ = try reconciliation.observe()
        _ = try reconciliation.apply()
        print("--")
        let changes = (0..<runs).compactMap { Self.change(services, $0) }
        var stopwatch = Stopwatch()
        for (service, changed) in changes {
            try stopwatch.measure("change") { () throws(BackendError) in
                Self.replace(service, changed, planner, &reconciliation)
                _ = try reconciliation.apply()
            }
        }
        // And back, the finished bytes by a bare loop: what the kernel alone needs.
        let socket = try BareSocket()
        for (service, changed) in changes {
            Self.replace(changed, service, planner, &reconciliation)
            let bytes = reconciliation.backend.transaction(for: reconciliation.state)
            try stopwatch.measure("kernel") { () throws(BareSocket.Failure) in try socket.send(bytes) }
            reconciliation.state.settle()
        }
        try removeAll()
    }

    /// A service and what becomes of it: another one each time, in steps that meet all of them.
    static func change(_ services: [Service], _ run: Int) -> (Service, Service)? {
        guard run < services.count else { return nil }
        let service = services[run * 7919 % services.count]
        guard !service.endpoints.isEmpty else { return nil }
        var changed = service
        changed.endpoints[run % changed.endpoints.count].address = IPAddress(ipv4: 0x0b00_0000 + UInt32(run))
        return (service, changed)
    }

    private static func replace(
        _ service: Service, _ changed: Service, _ planner: ServicePlanner,
        _ reconciliation: inout Reconciliation<NFTablesBackend>
    ) {
        reconciliation.state.unwant(reconciliation.backend.fragment(for: planner.plan(service)))
        reconciliation.state.want(reconciliation.backend.fragment(for: planner.plan(changed)))
    }
}
