internal import NetAddress
internal import ServicePlan

/// The options of the agent. The raw value is the name in the configuration file; flags have the same in kebab case.
public enum AgentOption: String, CaseIterable, Sendable {
    case source, backend, nodeName, zone, clusterCidr, serviceCidr, podBridgeInterface, podInterfaceNamePrefix
    case nodeAddress, masqueradeAll, nodeportAddresses, masqueradeBit
    case etcdUser, etcdPasswordFile, etcdCa, etcdCert, etcdKey
    case minSyncPeriod, resyncPeriod, protect, setSysctls, cleanupOnExit
    case metricsAddress, healthAddress, socket, logLevel

    /// Takes a value in, as it is written in the file or behind the flag. Lists may be written with commas too.
    ///
    /// - Returns: what is wrong with it, with the way out; nil if it is right.
    public func set(_ values: [String], in settings: inout AgentSettings) -> String? {
        switch self {
        case .source, .clusterCidr, .serviceCidr, .podBridgeInterface, .podInterfaceNamePrefix, .nodeAddress,
            .nodeportAddresses:
            return setList(values, in: &settings)
        default:
            guard values.count == 1, let value = values.first else { return "expected one value, found a list" }
            return setOne(value, in: &settings)
        }
    }

    private func setList(_ values: [String], in settings: inout AgentSettings) -> String? {
        if self == .source {
            return parse(values, SourceAddress.init, into: &settings.sources, Self.sourceForm)
        }
        let parts = values.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        switch self {
        case .clusterCidr: return parse(parts, CIDR.init(_:), into: &settings.node.clusterCIDRs, Self.blockForm)
        case .serviceCidr: return parse(parts, CIDR.init(_:), into: &settings.node.serviceCIDRs, Self.blockForm)
        case .nodeportAddresses:
            var blocks: [CIDR] = []
            let problem = parse(parts, CIDR.init(_:), into: &blocks, Self.blockForm)
            settings.node.nodePortAddresses = blocks
            return problem
        case .nodeAddress:
            var addresses: [IPAddress] = []
            let problem = parse(parts, IPAddress.init(_:), into: &addresses, "an address")
            settings.node.addresses = Set(addresses)
            return problem
        case .podBridgeInterface, .podInterfaceNamePrefix:
            let isBridge = self == .podBridgeInterface
            settings.node.podInterfaces.removeAll { if case .bridge = $0 { isBridge } else { !isBridge } }
            var interfaces: [PodInterface] = []
            let problem = parse(
                parts, { InterfaceName.isValid($0) ? isBridge ? .bridge($0) : .prefix($0) : nil }, into: &interfaces,
                "the name of an interface, at most 15 characters")
            settings.node.podInterfaces += interfaces
            return problem
        default: return nil
        }
    }

    private func setOne(_ value: String, in settings: inout AgentSettings) -> String? {
        switch self {
        case .backend: return choose(value, among: Self.backends, into: &settings.backend)
        case .logLevel: return choose(value, among: Self.logLevels, into: &settings.logLevel)
        case .nodeName: return text(value, into: &settings.node.nodeName)
        case .zone: return text(value, into: &settings.node.zone)
        case .masqueradeAll: return flag(value, into: &settings.node.masqueradeAll)
        case .masqueradeBit:
            guard let bit = Int(value), (0...31).contains(bit) else { return "expected 0 to 31, found \"\(value)\"" }
            settings.masqueradeBit = bit
        case .etcdUser: return text(value, into: &settings.etcd.user)
        case .etcdPasswordFile: return text(value, into: &settings.etcd.passwordFile)
        case .etcdCa: return text(value, into: &settings.etcd.caFile)
        case .etcdCert: return text(value, into: &settings.etcd.certificateFile)
        case .etcdKey: return text(value, into: &settings.etcd.keyFile)
        case .minSyncPeriod: return duration(value, into: &settings.schedule.minSyncPeriod, least: .zero)
        case .resyncPeriod: return duration(value, into: &settings.schedule.resyncPeriod, least: .milliseconds(100))
        case .protect: return flag(value, into: &settings.protects)
        case .setSysctls: return flag(value, into: &settings.setsSysctls)
        case .cleanupOnExit: return flag(value, into: &settings.cleansUpOnExit)
        case .metricsAddress: return listen(value, into: &settings.metricsAddress)
        case .healthAddress: return listen(value, into: &settings.healthAddress)
        case .socket:
            // sockaddr_un has room for 108 bytes with the zero at the end (linux/un.h).
            guard value.hasPrefix("/"), value.utf8.count < 108 else {
                return "expected an absolute path of at most 107 bytes, found \"\(value)\""
            }
            settings.socket = value
        default: return nil
        }
        return nil
    }

    public static let backends = ["nftables", "iptables", "ipvs"]
    public static let logLevels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
    private static let blockForm = "a block of addresses such as 10.0.0.0/8"
    private static let sourceForm = "file:PATH or etcd:http[s]://HOST:PORT[,HOST:PORT…][/PREFIX]"
}
