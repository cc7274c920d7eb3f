public import ArgumentParser
public import Backends
internal import Dataplane
internal import IPTablesBackend
internal import IPVSBackend
internal import Logging
internal import NFTables
internal import NFTablesBackend
internal import NetAddress
internal import ServicePlan

extension BackendName: ExpressibleByArgument {}

extension BackendName {
    /// What this backend's rules have beside them that may get in their way, settings of the kernel among it.
    func warnOfOthers(_ logger: Logger) {
        for setting in wrongSettings { logger.warning("\(setting)") }
        guard self == .iptables, let warning = LegacyTables.warning else { return }
        logger.warning("\(warning)")
    }

    /// What others have in the kernel that may keep connections from services, a sentence for each.
    func obstacles() throws -> [String] {
        var backend = IPTablesBackend(options: LayoutOptions())
        return try backend.obstacles() + (LegacyTables.warning.map { [$0] } ?? [])
    }
}

// MARK: - Dry runs

extension BackendName {
    /// What the stock tool loads to get what an empty node would get.
    func rules(_ plans: ServicePlans, _ layout: LayoutOptions, _ format: OutputFormat) -> [UInt8] {
        var text: [UInt8] = []
        switch self {
        case .nftables:
            var builder = RulesetBuilder(options: layout)
            for service in plans.services { builder.add(service) }
            let ruleset = builder.finished()
            if format == .text { ruleset.writeScript(to: &text) } else { ruleset.writeJSON(to: &text) }
        case .iptables:
            var restore = RestoreText(options: layout)
            for service in plans.services { restore.add(service) }
            if format == .text { restore.writeSections(to: &text) } else { text = Self.json(restore) }
        case .ipvs:
            var load = LoadText(options: layout)
            for service in plans.services { load.add(service) }
            if format == .text { load.writeSections(to: &text) } else { text = Self.json(load) }
        }
        return text
    }

    /// Each tool's input, with the command that loads it.
    private static func json(_ restore: borrowing RestoreText) -> [UInt8] {
        var sections: [(command: String, input: [UInt8])] = []
        for family in IPFamily.allCases {
            var input: [UInt8] = []
            restore.write(family, to: &input)
            sections.append((RestoreText.command(family), input))
        }
        return json(sections)
    }

    private static func json(_ load: borrowing LoadText) -> [UInt8] {
        var sections: [(command: String, input: [UInt8])] = []
        for tool in LoadText.Tool.allCases {
            var input: [UInt8] = []
            load.write(tool, to: &input)
            sections.append((tool.rawValue, input))
        }
        return json(sections)
    }

    private static func json(_ sections: [(command: String, input: [UInt8])]) -> [UInt8] {
        let objects = sections.map { command, input -> JSON in
            ["command": .string(command), "input": .string(String(decoding: input, as: UTF8.self))]
        }
        var text: [UInt8] = []
        JSON.object([.init("sections", .array(objects))]).write(to: &text)
        return text + [UInt8(ascii: "\n")]
    }
}
