internal import ArgumentParser
internal import Dataplane
internal import IPTablesBackend
internal import Logging
internal import NFTables
internal import NFTablesBackend
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// The backends that this version has.
enum BackendName: String, ExpressibleByArgument, CaseIterable {
    case nftables
    case iptables
}

/// Each backend has types of its own, so that a choice among them is a choice among functions.
extension BackendName {
    var capabilities: [Capability] {
        switch self {
        case .nftables: NFTablesBackend.capabilities
        case .iptables: IPTablesBackend.capabilities
        }
    }

    func limits(of service: Service) -> [BackendLimit] {
        switch self {
        case .nftables: NFTablesBackend.limits(of: service)
        case .iptables: IPTablesBackend.limits(of: service)
        }
    }

    /// Makes the kernel match.
    func apply(_ plans: ServicePlans, _ layout: LayoutOptions) throws -> ChangeSummary {
        switch self {
        case .nftables: try Self.apply(NFTablesBackend(options: layout), plans)
        case .iptables: try Self.apply(IPTablesBackend(options: layout), plans)
        }
    }

    /// What `apply` would change now.
    func differences(_ plans: ServicePlans, _ layout: LayoutOptions) throws -> [DifferenceLine] {
        switch self {
        case .nftables: try Self.differences(NFTablesBackend(options: layout), plans)
        case .iptables: try Self.differences(IPTablesBackend(options: layout), plans)
        }
    }

    /// What the kernel has now; nil if it has nothing of this backend's.
    func status() throws -> [FrontendStatus]? {
        switch self {
        case .nftables: try Self.status(NFTablesBackend(options: LayoutOptions()))
        case .iptables: try Self.status(IPTablesBackend(options: LayoutOptions()))
        }
    }

    /// Removes everything of this backend's.
    func removeAll() throws -> ChangeSummary {
        switch self {
        case .nftables: try Self.removeAll(NFTablesBackend(options: LayoutOptions()))
        case .iptables: try Self.removeAll(IPTablesBackend(options: LayoutOptions()))
        }
    }

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

    private static func apply<Backend: NodeBackend & ~Copyable>(
        _ backend: consuming Backend, _ plans: ServicePlans
    ) throws -> ChangeSummary {
        var reconciliation = Reconciliation(backend, plans: plans)
        try reconciliation.observe()
        return try reconciliation.apply()
    }

    private static func differences<Backend: NodeBackend & ~Copyable>(
        _ backend: consuming Backend, _ plans: ServicePlans
    ) throws -> [DifferenceLine] {
        var reconciliation = Reconciliation(backend, plans: plans)
        try reconciliation.observe()
        return Backend.differences(in: reconciliation.state)
    }

    private static func status<Backend: NodeBackend & ~Copyable>(
        _ backend: consuming Backend
    ) throws -> [FrontendStatus]? {
        try backend.status()
    }

    private static func removeAll<Backend: NodeBackend & ~Copyable>(
        _ backend: consuming Backend
    ) throws -> ChangeSummary {
        try backend.removeAll()
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
