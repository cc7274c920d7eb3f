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

    func validate() throws {
        guard !files.isEmpty else { throw ValidationError("name at least one FILE, or - for standard input") }
    }

    /// Reads and checks everything; warnings go to standard error.
    func load() throws -> Definitions { try Self.load(files) }

    /// The same for any files.
    static func load(_ files: [String]) throws -> Definitions {
        let inputs = try DefinitionFiles.read(files)
        let definitions = try Definitions(decoding: inputs)
        for warning in definitions.warnings { printError(warning.description) }
        return definitions
    }
}

extension Definitions {
    /// What the backend does not do of all this. An error is refused, never done in another way.
    func limits(_ backend: BackendName, _ node: NodeFacts) -> [Finding] {
        services.flatMap { service in
            backend.limits(of: service, on: node).map { limit in
                Finding(
                    severity: limit.isRefused ? .error : .warning, place: Place(input: "service \(service.name)"),
                    message: limit.message)
            }
        }
    }

    /// Plans all services, and says what is not as the definitions have it.
    func plans(_ node: NodeFacts, _ backend: BackendName, _ logger: Logger) throws -> ServicePlans {
        let node = node.located(by: nodes.first { $0.name == node.nodeName })
        let limits = limits(backend, node)
        guard limits.allSatisfy({ $0.severity == .warning }) else { throw InvalidDefinitions(findings: limits) }
        for limit in limits { logger.warning("\(limit.place.input): \(limit.message)") }
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
