public import ArgumentParser
public import Backends
internal import Dataplane
internal import IPTablesBackend
internal import Logging
internal import NFTables
internal import NFTablesBackend
internal import NetAddress
internal import ServicePlan

extension BackendName: ExpressibleByArgument {}

extension BackendName {
    /// What this backend's rules have beside them that may get in their way.
    func warnOfOthers(_ logger: Logger) {
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
        }
        return text
    }

    /// Each tool's input, with the command that loads it.
    private static func json(_ restore: borrowing RestoreText) -> [UInt8] {
        var sections: [JSON] = []
        for family in IPFamily.allCases {
            var input: [UInt8] = []
            restore.write(family, to: &input)
            sections.append([
                "command": .string(RestoreText.command(family)),
                "input": .string(String(decoding: input, as: UTF8.self)),
            ])
        }
        var text: [UInt8] = []
        JSON.object([.init("sections", .array(sections))]).write(to: &text)
        return text + [UInt8(ascii: "\n")]
    }
}
