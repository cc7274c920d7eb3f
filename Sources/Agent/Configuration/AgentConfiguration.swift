public import ServiceModel

/// The configuration file and the flags, made into settings. It is kept, so that SIGHUP can read the file again.
public struct AgentConfiguration: Sendable {
    /// The path of the file, if there is one.
    public var file: String?
    /// What findings about the flags together name in the place of a file.
    public static let commandLine = "svcctl agent"

    /// What flags say, which beats the file.
    public var flags: [(option: AgentOption, values: [String])]

    public init(file: String?, flags: [(option: AgentOption, values: [String])]) {
        self.file = file
        self.flags = flags
    }

    /// - Parameter input: what the file holds now; nil without a file.
    /// - Throws: everything that is wrong at once.
    public func settings(_ input: DefinitionInput?, defaults: AgentSettings = AgentSettings())
        throws(InvalidDefinitions) -> AgentSettings
    {
        var settings = defaults
        var findings: [Finding] = []
        if let input {
            do {
                try SettingsFile.read(input, names: AgentOption.allCases.map(\.rawValue)) { setting in
                    AgentOption(rawValue: setting.name)?.set(setting.values, in: &settings)
                }
            } catch {
                findings = error.findings
            }
        }
        for (option, values) in flags {
            guard let message = option.set(values, in: &settings) else { continue }
            findings.append(Finding(place: Place(input: option.flag), message: message))
        }
        // What is wrong one by one would show here again.
        if findings.isEmpty { findings = Self.contradictions(in: settings, file: file) }
        guard findings.isEmpty else { throw InvalidDefinitions(findings: findings) }
        return settings
    }

    /// What is wrong with settings that are right one by one.
    private static func contradictions(in settings: AgentSettings, file: String?) -> [Finding] {
        var messages: [String] = []
        if settings.sources.isEmpty {
            messages.append("no source: name at least one, such as source: file:/etc/svcctl/services")
        }
        for source in Set(settings.sources.filter { source in settings.sources.count { $0 == source } > 1 }) {
            messages.append("\(source) is named twice")
        }
        if (settings.etcd.certificateFile == nil) != (settings.etcd.keyFile == nil) {
            messages.append("etcdCert and etcdKey go together")
        }
        if (settings.etcd.user == nil) != (settings.etcd.passwordFile == nil) {
            messages.append("etcdUser and etcdPasswordFile go together")
        }
        if settings.protects, settings.backend != "nftables" {
            messages.append(
                "protect goes with the nftables backend alone: others share their tables with other programs")
        }
        if settings.metricsAddress == settings.healthAddress, settings.metricsAddress.port != 0 {
            messages.append("metricsAddress and healthAddress are the same: \(settings.healthAddress)")
        }
        return messages.map { Finding(place: Place(input: file ?? commandLine), message: $0) }
    }
}

extension AgentOption {
    /// The name on the command line: `--min-sync-period`.
    public var flag: String {
        "--" + rawValue.map { $0.isUppercase ? "-\($0.lowercased())" : String($0) }.joined()
    }
}
