public import Dataplane
public import ServiceModel

extension NFTablesBackend {
    /// The ways to choose an endpoint that this backend has.
    public static let schedulers: [Scheduler] = [.random, .roundRobin, .sourceHash, .maglev]

    /// What of a service this backend does not do.
    public static func limits(of service: Service) -> [BackendLimit] {
        BackendLimit.common(service, schedulers, backend: name)
    }
}
