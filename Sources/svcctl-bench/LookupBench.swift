internal import ArgumentParser
internal import Dataplane
internal import NFTables
internal import NFTablesBackend
internal import NetAddress
internal import PacketTrace
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

/// How many look-ups the first packet of a connection takes, by what it is addressed to. The rules are run here, so that
/// the kernel has no part in it.
struct LookupBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lookups", abstract: "Count the look-ups of a connection's first packet, with FILE applied.",
        discussion: "Each kind of address that FILE has is tried; generate_services.py --kinds has them all.")

    @Argument var file: String

    private static let node = NodeFacts(nodeName: "node-a")

    func run() throws {
        let definitions = try Definitions(decoding: DefinitionFiles.read([file]))
        let plans = ServicePlans(definitions.services, node: Self.node)
        var builder = RulesetBuilder(options: LayoutOptions(node: Self.node))
        for service in plans.services { builder.add(service) }
        let tracer = Tracer(builder.finished())
        let frontends = plans.services.flatMap(\.frontends)
        for kind in LookupKind.allCases {
            guard let packet = kind.packet(frontends) else { continue }
            let path = tracer.path(of: packet, on: NodeView(addresses: [LookupKind.nodeAddress]))
            print("\(kind.rawValue) \(path.lookups)")
        }
    }
}

/// What a packet may be addressed to. Each kind has one thing that is special, and is plain otherwise.
private enum LookupKind: String, CaseIterable {
    case clusterIP = "cluster-ip"
    case externalIP = "external-ip"
    case loadBalancerIP = "load-balancer-ip"
    case nodePort = "node-port"
    case externalLocal = "external-local"
    case sticky
    case roundRobin = "round-robin"
    case sourceHash = "source-hash"
    case maglev
    case sourceRanges = "source-ranges"
    case limits
    case refused
    case noService = "no-service"

    static let nodeAddress = IPAddress(ipv4: 0xc000_020a)
    /// 198.51.100.7, a client outside.
    private static let client = IPAddress(ipv4: 0xc633_6407)
    /// 198.51.100.200, which is nobody's address here.
    private static let elsewhere = IPAddress(ipv4: 0xc633_64c8)

    /// A packet to the first address of the kind, from somebody who may use it; nil if there is none.
    func packet(_ frontends: [Frontend]) -> Packet? {
        if self == .noService { return packet(from: Self.client, to: SocketAddress(Self.elsewhere, 80), .tcp) }
        guard let frontend = frontends.first(where: { $0.address.family == .ipv4 && fits($0) }) else { return nil }
        return packet(
            from: frontend.allowedSources?.first?.address ?? Self.client,
            to: SocketAddress(frontend.address.ip ?? Self.nodeAddress, frontend.port), frontend.transport)
    }

    private func packet(from source: IPAddress, to: SocketAddress, _ transport: TransportProtocol) -> Packet? {
        Packet(from: source, to: to, transport: transport, origin: .interface("eth0"))
    }

    private func fits(_ frontend: Frontend) -> Bool {
        switch self {
        case .clusterIP: isPlain(frontend) && isClusterIP(frontend)
        case .externalIP: if case .externalIP = frontend.address { isPlain(frontend) } else { false }
        case .loadBalancerIP: if case .loadBalancerIP = frontend.address { isPlain(frontend) } else { false }
        case .nodePort: isPlain(frontend) && frontend.address.ip == nil
        case .externalLocal:
            !frontend.treatment.targets.isEmpty && frontend.nodeTreatment != nil && frontend.address.ip != nil
        case .sticky: frontend.pools != nil && frontend.scheduler == .random && isClusterIP(frontend)
        case .roundRobin: frontend.scheduler == .roundRobin
        case .sourceHash: frontend.scheduler == .sourceHash
        case .maglev: frontend.scheduler == .maglev
        case .sourceRanges: frontend.allowedSources?.isEmpty == false
        case .limits: frontend.limits != nil
        case .refused: frontend.treatment == .reject
        case .noService: false
        }
    }

    private func isClusterIP(_ frontend: Frontend) -> Bool {
        if case .clusterIP = frontend.address { true } else { false }
    }

    private func isPlain(_ frontend: Frontend) -> Bool {
        !frontend.treatment.targets.isEmpty && frontend.nodeTreatment == nil && frontend.pools == nil
            && frontend.scheduler == .random && frontend.allowedSources == nil && frontend.deniedSources.isEmpty
            && frontend.limits == nil
    }
}
