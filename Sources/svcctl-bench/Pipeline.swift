internal import Dataplane
internal import NFTables
internal import NFTablesBackend
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

/// The way of `svcctl apply`, part by part under a stopwatch.
struct Pipeline {
    var stopwatch = Stopwatch()
    private static let options = LayoutOptions()

    /// Reads, decodes and plans a file.
    mutating func plans(_ file: String) throws -> ServicePlans {
        let inputs = try stopwatch.measure("read") { () throws(UnreadableInputs) in try DefinitionFiles.read([file]) }
        let definitions = try stopwatch.measure("decode") { () throws(InvalidDefinitions) in
            try Definitions(decoding: inputs)
        }
        return stopwatch.measure("plan") { ServicePlans(definitions.services, node: Self.options.node) }
    }

    /// Lowers plans and learns what the kernel has.
    mutating func observed(_ plans: ServicePlans) throws(BackendError) -> Reconciliation<NFTablesBackend> {
        var stopwatch = self.stopwatch
        defer { self.stopwatch = stopwatch }
        var reconciliation = stopwatch.measureLowering(Self.options, plans)
        try stopwatch.measure("observe") { () throws(BackendError) in try reconciliation.observe() }
        return reconciliation
    }

    /// Renders plans as a dry run does.
    mutating func render(_ plans: ServicePlans) -> Int {
        stopwatch.measure("render") {
            var builder = RulesetBuilder(options: Self.options)
            for service in plans.services { builder.add(service) }
            var text: [UInt8] = []
            builder.finished().writeScript(to: &text)
            return text.count
        }
    }
}

extension Stopwatch {
    /// Values that cannot be copied cannot be a closure's generic result, so this part is written out.
    fileprivate mutating func measureLowering(
        _ options: LayoutOptions, _ plans: ServicePlans
    ) -> Reconciliation<NFTablesBackend> {
        var lowered: Reconciliation<NFTablesBackend>?
        measure("lower") { lowered = Reconciliation(NFTablesBackend(options: options), plans: plans) }
        return lowered.take() ?? Reconciliation(NFTablesBackend(options: options), plans: plans)
    }
}
