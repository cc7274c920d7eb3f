internal import Agent
internal import Backends
internal import ArgumentParser
internal import Dataplane
internal import Logging
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

/// The definition files of a command.
struct DefinitionArguments: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Definitions in JSON or YAML, native or Kubernetes: files, directories, or - for standard input.",
            valueName: "file"))
    var files: [String] = []

    /// Every finding, but for files that hold little else: each takes longer, the larger its document is.
    static let mostFindings = 10_000

    func validate() throws {
        guard !files.isEmpty else { throw ValidationError("name at least one FILE, or - for standard input") }
    }

    /// Reads and checks everything, for any backend; warnings go to standard error.
    func load(_ output: OutputOptions) throws -> Definitions { try Self.load(files, output) { _ in [] } }

    /// The same for a backend, some of whose nodes cannot do all of it. What it refuses is an error among all others.
    static func load(
        _ files: [String], _ backend: BackendName, _ node: NodeFacts, _ output: OutputOptions
    ) throws -> Definitions {
        try load(files, output) { backend.remarks(on: $0, node) }
    }

    private static func load(
        _ files: [String], _ output: OutputOptions, check: (Service) -> [ServiceRemark]
    ) throws -> Definitions {
        let inputs = try DefinitionFiles.read(files)
        let definitions = try Definitions(decoding: inputs, mostFindings: mostFindings, check: check)
        guard output.logLevel.level <= .warning else { return definitions }
        for warning in definitions.warnings { printError(warning.description) }
        return definitions
    }
}

extension BackendName {
    /// What it does not do of a service. An error is refused, never done in another way.
    func remarks(on service: Service, _ node: NodeFacts) -> [ServiceRemark] {
        limits(of: service, on: node).map {
            ServiceRemark(severity: $0.isRefused ? .error : .warning, message: $0.message)
        }
    }
}

extension Definitions {
    /// Plans all services, and says what is not as the definitions have it.
    func plans(_ node: NodeFacts, _ logger: Logger) -> ServicePlans {
        let node = node.located(by: nodes.first { $0.name == node.nodeName })
        let plans = ServicePlans(services, node: node)
        for conflict in plans.conflicts { logger.warning("\(conflict)") }
        return plans
    }
}

extension ServicePlans {
    /// `3 services, 7 frontends`.
    var summary: String {
        "\(counted(services.count, "service")), \(counted(frontendCount, "frontend"))"
    }
}
