import Dataplane
import DataplaneTestKit
import NFTables
import NFTablesBackend
public import NetAddress
import ServiceModel
import ServicePlan

/// Shorthands for tests: text that is known to be an address.
extension IPAddress: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) {
        guard let address = IPAddress(text) else { preconditionFailure("\(text) is no address") }
        self = address
    }
}

extension Service {
    /// A service with one port 80 that leads to 8080, unless the closure says otherwise.
    static func test(
        _ name: String, clusterIPs: [IPAddress] = [], transport: TransportProtocol = .tcp, nodePort: UInt16? = nil,
        endpoints: [IPAddress] = [], _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        var service = Service(name: ServiceName(namespace: "test", name: name))
        service.clusterIPs = clusterIPs
        service.ports = [
            ServicePort(name: "web", transport: transport, port: 80, target: .number(8080), nodePort: nodePort)
        ]
        service.endpoints = endpoints.map { Endpoint(address: $0) }
        change(&service)
        return service
    }
}

/// Services on their way to the kernel.
struct Desired: Sendable {
    var services: [Service]
    var node = NodeFacts(nodeName: "node-a")
    var masqueradeBit = 14

    var options: LayoutOptions { LayoutOptions(node: node, masqueradeBit: masqueradeBit) }

    func tracker() -> DeltaTracker<ObjectKey, ObjectValue> {
        let backend = NFTablesBackend(options: options)
        let planner = ServicePlanner(node: node)
        var state = DeltaTracker<ObjectKey, ObjectValue>()
        state.want(backend.skeleton())
        for service in services { state.want(backend.fragment(for: planner.plan(service))) }
        return state
    }

    /// Makes the namespace's kernel match.
    @discardableResult
    func apply(in namespace: NetworkNamespace) throws -> ChangeSummary {
        try namespace.run {
            var state = tracker()
            var backend = NFTablesBackend(options: options)
            try backend.observe(into: &state)
            return try backend.apply(&state)
        }
    }

    /// The same, and ends UDP flows that lead to endpoints which are gone; returns how many.
    @discardableResult
    func applyAndEndFlows(in namespace: NetworkNamespace) throws -> Int {
        let changes = try apply(in: namespace)
        return try namespace.run { try FlowCleanup.run(after: changes.udp, ServicePlans(services, node: node)) }
    }

    /// What `apply` would change now.
    func differences(in namespace: NetworkNamespace) throws -> [DifferenceLine] {
        try namespace.run {
            var state = tracker()
            var backend = NFTablesBackend(options: options)
            try backend.observe(into: &state)
            return NFTablesBackend.differences(in: state)
        }
    }

    var ruleset: Ruleset {
        var builder = RulesetBuilder(options: options)
        let planner = ServicePlanner(node: node)
        for service in services { builder.add(planner.plan(service)) }
        return builder.finished()
    }

    /// The dry run's script.
    var script: String {
        var text: [UInt8] = []
        ruleset.writeScript(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// The dry run's JSON.
    var json: String {
        var text: [UInt8] = []
        ruleset.writeJSON(to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}
