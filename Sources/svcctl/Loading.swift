internal import ArgumentParser
internal import Logging
internal import NFTablesBackend
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
    func load() throws -> Definitions {
        let inputs = try DefinitionFiles.read(files)
        let definitions = try Definitions(decoding: inputs)
        for warning in definitions.warnings { printError(warning.description) }
        return definitions
    }
}

extension Definitions {
    /// Plans all services; what a backend cannot do is refused, never done in another way.
    func plans(_ node: NodeFacts, _ logger: Logger) throws -> ServicePlans {
        var refused = 0
        for service in services {
            for limit in NFTablesBackend.limits(of: service) {
                guard limit.isRefused else {
                    logger.warning("\(service.name): \(limit.message)")
                    continue
                }
                printError("svcctl: \(service.name): \(limit.message)")
                refused += 1
            }
        }
        if refused > 0 { throw ExitCode.invalidDefinitions }
        let plans = ServicePlans(services, node: node)
        for conflict in plans.conflicts { logger.warning("\(conflict)") }
        return plans
    }
}

extension ServicePlans {
    /// `3 services, 7 frontends`.
    var summary: String {
        func plural(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
        return "\(plural(services.count, "service")), \(plural(frontendCount, "frontend"))"
    }
}
