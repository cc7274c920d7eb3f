internal import ArgumentParser
internal import Dataplane
internal import IPVS
internal import IPVSBackend
internal import Netlink
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

/// One endpoint after another is replaced, as an agent does it that holds the whole state; and back, the same messages
/// by a bare socket, which is what the kernel alone needs.
struct IPVSEndpointBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipvs-endpoint", abstract: "With FILE applied by IPVS, replace single endpoints, one by one.")

    @Argument var file: String
    @Option var runs = 100

    func run() throws {
        let services = try Definitions(decoding: DefinitionFiles.read([file])).services
        let planner = ServicePlanner(node: NodeFacts())
        var reconciliation = Reconciliation(
            IPVSBackend(options: LayoutOptions()), plans: ServicePlans(services, node: planner.node))
        try reconciliation.observe()
        _ = try reconciliation.apply()
        print("--")
        let changes = (0..<runs).map { EndpointBench.change(services, $0) }
        var socket = try IPVSSocket()
        var stopwatch = Stopwatch()
        for case (let service, let changed)? in changes {
            try stopwatch.measure("change") { () throws(BackendError) in
                replace(service, changed, planner, &reconciliation)
                _ = try reconciliation.apply()
            }
            replace(changed, service, planner, &reconciliation)
            let batch = self.batch(reconciliation.state)
            let refusals = try stopwatch.measure("kernel") { () throws(NetlinkError) in try socket.send(batch) }
            if let refusal = refusals.first { throw refusal }
            reconciliation.state.settle()
        }
        try reconciliation.observe()
        guard try reconciliation.apply().isEmpty else { throw ValidationError("the kernel has something else") }
    }

    private func batch(_ state: borrowing DeltaTracker<ObjectKey, ObjectValue>) -> IPVSBatch {
        var batch = IPVSBatch()
        var removed = IPVSBatch()
        state.forEachDifference { key, desired, _ in
            guard case .realServer(let id, let real) = key else { return }
            if case .realServer(let server)? = desired {
                batch.add(server, to: id)
            } else {
                removed.remove(real, of: id)
            }
        }
        for entry in removed.entries { batch.append(entry.operation) }
        return batch
    }

    private func replace(
        _ service: Service, _ changed: Service, _ planner: ServicePlanner,
        _ reconciliation: inout Reconciliation<IPVSBackend>
    ) {
        reconciliation.state.exchange(
            reconciliation.backend.fragment(for: planner.plan(service)),
            for: reconciliation.backend.fragment(for: planner.plan(changed)))
    }
}
