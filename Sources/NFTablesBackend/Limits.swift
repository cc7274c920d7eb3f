public import Dataplane
public import ServiceModel
public import ServicePlan

extension NFTablesBackend {
    /// The ways to choose an endpoint that this backend has.
    public static let schedulers: [Scheduler] = [.random, .roundRobin, .sourceHash, .maglev]

    /// What of a service this backend does not do.
    public static func limits(of service: Service, on node: NodeFacts) -> [BackendLimit] {
        BackendLimit.common(service, schedulers, backend: name)
    }
}
