public import ServiceModel

/// The plans of all services of one set of definitions, with disputes settled.
public struct ServicePlans: Sendable {
    /// In the order in which frontends were claimed: oldest service first.
    public private(set) var services: [PlannedService] = []
    /// Frontends that a service does not get, because an older one has them.
    public private(set) var conflicts: [FrontendClaims.Conflict] = []
    /// How many frontends all services have together.
    public private(set) var frontendCount = 0

    /// Plans every service for a node.
    public init(_ services: [Service], node: NodeFacts) {
        let planner = ServicePlanner(node: node)
        var claims = FrontendClaims()
        self.services.reserveCapacity(services.count)
        // Sorting places instead of services: a service is a dozen references, each counted at every move.
        let order = services.indices.sorted { FrontendClaims.precedes(services[$0], services[$1]) }
        for index in order {
            var planned = planner.plan(services[index])
            conflicts += claims.admit(&planned)
            frontendCount += planned.frontends.count
            self.services.append(planned)
        }
    }
}
