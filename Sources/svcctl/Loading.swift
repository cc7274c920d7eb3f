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

/// The plans of all services, with conflicts settled and said.
struct Plans {
    var services: [PlannedService] = []
    var frontendCount = 0

    init(_ definitions: Definitions, _ options: LayoutOptions, _ logger: Logger) throws {
        let planner = ServicePlanner(node: options.node)
        var claims = FrontendClaims()
        try Self.refuseUnsupported(definitions)
        for service in definitions.services.sorted(by: FrontendClaims.precedes) {
            for limit in NFTablesBackend.limits(of: service) where !limit.isRefused {
                logger.warning("\(service.name): \(limit.message)")
            }
            var planned = planner.plan(service)
            for conflict in claims.admit(&planned) { logger.warning("\(conflict)") }
            frontendCount += planned.frontends.count
            services.append(planned)
        }
    }

    /// What a backend cannot do is refused, never done in another way.
    private static func refuseUnsupported(_ definitions: Definitions) throws {
        var refused = 0
        for service in definitions.services {
            for limit in NFTablesBackend.limits(of: service) where limit.isRefused {
                printError("svcctl: \(service.name): \(limit.message)")
                refused += 1
            }
        }
        if refused > 0 { throw ExitCode.invalidDefinitions }
    }

    /// `3 services, 7 frontends`.
    var summary: String {
        func plural(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
        return "\(plural(services.count, "service")), \(plural(frontendCount, "frontend"))"
    }
}
