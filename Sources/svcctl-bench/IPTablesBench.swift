internal import ArgumentParser
internal import Dataplane
internal import Glibc
internal import IPTablesBackend
internal import NetAddress
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

/// The way of `svcctl apply --backend iptables`.
enum IPTablesPipeline {
    static let options = LayoutOptions()

    static func requireEmptyNamespace() throws {
        var backend = IPTablesBackend(options: options)
        guard try backend.status() == nil else {
            throw ValidationError("svcctl has rules here; run this in a network namespace of its own (unshare --net)")
        }
    }

    static func removeAll() throws {
        var backend = IPTablesBackend(options: options)
        _ = try backend.removeAll()
    }

    static func services(_ file: String) throws -> [Service] {
        try Definitions(decoding: DefinitionFiles.read([file])).services
    }
}

/// From an empty kernel, part by part, and the same bytes sent by a bare loop.
struct IPTablesApplyBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "iptables-apply", abstract: "Apply FILE to an empty kernel by chains of iptables, part by part.")

    @Argument var file: String
    @Option var runs = 3

    func run() throws {
        try IPTablesPipeline.requireEmptyNamespace()
        for _ in 0..<runs {
            var stopwatch = Stopwatch()
            let services = try stopwatch.measure("read") { () throws(any Error) in try IPTablesPipeline.services(file) }
            let plans = stopwatch.measure("plan") {
                ServicePlans(services, node: IPTablesPipeline.options.node)
            }
            var reconciliation = lower(plans, &stopwatch)
            try stopwatch.measure("observe") { () throws(BackendError) in try reconciliation.observe() }
            _ = try stopwatch.measure("apply") { () throws(BackendError) in try reconciliation.apply() }
            stopwatch.reportTotal("total")
            var again = Stopwatch()
            try again.measure("observe-all") { () throws(BackendError) in try reconciliation.observe() }
            try IPTablesPipeline.removeAll()

            try reconciliation.observe()
            var bare = Stopwatch()
            let bytes = try bare.measure("encode") { () throws(BackendError) in
                try reconciliation.backend.transaction(for: reconciliation.state)
            }
            print("bytes \(bytes.count)")
            let socket = try BareSocket()
            socket.reserve(bytes.count)
            try bare.measure("kernel") { () throws(BareSocket.Failure) in try socket.send(bytes) }
            try IPTablesPipeline.removeAll()
        }
    }

    /// Values that cannot be copied cannot be a closure's generic result.
    private func lower(_ plans: ServicePlans, _ stopwatch: inout Stopwatch) -> Reconciliation<IPTablesBackend> {
        var lowered: Reconciliation<IPTablesBackend>?
        stopwatch.measure("lower") {
            lowered = Reconciliation(IPTablesBackend(options: IPTablesPipeline.options), plans: plans)
        }
        return lowered.take() ?? Reconciliation(IPTablesBackend(options: IPTablesPipeline.options), plans: plans)
    }
}

/// One endpoint after another is replaced, as an agent would do it that holds the whole state.
struct IPTablesEndpointBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "iptables-endpoint",
        abstract: "With FILE applied by chains of iptables, replace single endpoints, one by one.")

    @Argument var file: String
    @Option var runs = 100

    func run() throws {
        try IPTablesPipeline.requireEmptyNamespace()
        let services = try IPTablesPipeline.services(file)
        let planner = ServicePlanner(node: NodeFacts())
        var reconciliation = Reconciliation(
            IPTablesBackend(options: IPTablesPipeline.options), plans: ServicePlans(services, node: planner.node))
        try reconciliation.observe()
        _ = try reconciliation.apply()
        print("--")
        let changes = (0..<runs).map { EndpointBench.change(services, $0) }
        // There and back, by turns: the machine is not the same from one second to the next.
        let socket = try BareSocket()
        var stopwatch = Stopwatch()
        for case (let service, let changed)? in changes {
            usleep(Self.pause)
            try stopwatch.measure("change") { () throws(BackendError) in
                replace(service, changed, planner, &reconciliation)
                _ = try reconciliation.apply()
            }
            usleep(Self.pause)
            replace(changed, service, planner, &reconciliation)
            let bytes = try reconciliation.backend.transaction(for: reconciliation.state)
            try stopwatch.measure("kernel") { () throws(BareSocket.Failure) in try socket.send(bytes) }
            reconciliation.state.settle()
            // What is sent past the backend makes a generation that it does not know of.
            reconciliation.backend.expectGeneration()
        }
        try IPTablesPipeline.removeAll()
    }

    /// In microseconds. Before the kernel makes an extension of iptables, it waits until those that earlier transactions
    /// have deleted are gone, which is when every processor has been idle once: 10 to 20 milliseconds.
    private static let pause: UInt32 = 60_000

    private func replace(
        _ service: Service, _ changed: Service, _ planner: ServicePlanner,
        _ reconciliation: inout Reconciliation<IPTablesBackend>
    ) {
        reconciliation.state.unwant(reconciliation.backend.fragment(for: planner.plan(service)))
        reconciliation.state.want(reconciliation.backend.fragment(for: planner.plan(changed)))
    }
}
