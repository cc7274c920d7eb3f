internal import ArgumentParser
internal import Dataplane
internal import Glibc
internal import IPSet
internal import IPVS
internal import IPVSBackend
internal import Links
internal import NetAddress
internal import Netlink
internal import ServiceModel
internal import ServicePlan
internal import ServiceSource

/// The way of `svcctl apply --backend ipvs`, once: what is removed slows the kernel down for minutes, so that each run
/// wants a network namespace of its own, with `lo` up.
struct IPVSApplyBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipvs-apply", abstract: "Apply FILE to an empty kernel by IPVS, part by part.")

    @Argument var file: String

    func run() throws {
        var stopwatch = Stopwatch()
        let services = try stopwatch.measure("read") { () throws(any Error) in
            try Definitions(decoding: DefinitionFiles.read([file])).services
        }
        let plans = stopwatch.measure("plan") { ServicePlans(services, node: NodeFacts()) }
        var lowered: Reconciliation<IPVSBackend>?
        stopwatch.measure("lower") { lowered = Reconciliation(IPVSBackend(options: LayoutOptions()), plans: plans) }
        guard var reconciliation = lowered.take() else { return }
        try stopwatch.measure("observe") { () throws(BackendError) in try reconciliation.observe() }
        let summary = try stopwatch.measure("apply") { () throws(BackendError) in try reconciliation.apply() }
        stopwatch.reportTotal("total")
        print("objects \(summary.added)")
        var again = Stopwatch()
        try again.measure("observe-all") { () throws(BackendError) in try reconciliation.observe() }
        guard try reconciliation.apply().isEmpty else { throw ValidationError("the kernel has something else") }
    }
}

/// The same objects without the backend, which tells what each kind takes.
struct IPVSPartsBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipvs-parts", abstract: "Write what FILE needs to an empty kernel, kind by kind, without rules.")

    @Argument var file: String
    @Option(help: "About how many bytes go into one call to IPVS; 1 sends each message alone.")
    var pieceBytes: Int?
    @Flag(help: "Only the virtual and real servers.") var onlyServers = false

    func run() throws {
        let services = try Definitions(decoding: DefinitionFiles.read([file])).services
        let objects = Objects(ServicePlans(services, node: NodeFacts()))
        var stopwatch = Stopwatch()
        if !onlyServers {
            var sets = try IPSetSession()
            try stopwatch.measure("sets") { () throws(IPSetError) in try sets.apply(objects.sets) }
            var links = try LinkSocket()
            let device = try links.addDummy("svcctl-bench", alias: "svcctl-bench")
            _ = try stopwatch.measure("addresses") { () throws(LinkError) in
                try links.add(objects.addresses, to: device)
            }
        }
        var socket = try IPVSSocket()
        if let pieceBytes { socket.pieceBytes = pieceBytes }
        guard try socket.virtualServers().isEmpty else {
            throw ValidationError("there are virtual servers here; run this in a network namespace of its own")
        }
        let refusals = try stopwatch.measure("servers") { () throws(NetlinkError) in try socket.send(objects.servers) }
        if let refusal = refusals.first { throw refusal }
    }
}

/// What plans need in the kernel, by kinds, and in the order in which the backend writes it.
private struct Objects {
    var sets: [SetOperation] = []
    var addresses: [IPAddress] = []
    var servers = IPVSBatch()

    init(_ plans: ServicePlans) {
        let backend = IPVSBackend(options: LayoutOptions())
        for case (_, .set(let spec)) in backend.skeleton().objects { sets.append(.create(spec)) }
        var elements: [SetID: [SetElement]] = [:]
        for service in plans.services {
            for (key, value) in backend.fragment(for: service).objects {
                switch (key, value) {
                case (.element(let id, let element), .element(let mark, let name)):
                    elements[id, default: []].append(SetElement(element, mark: mark, comment: name))
                case (.address(let address), _): addresses.append(address)
                case (_, .virtualServer(let server)): servers.add(server)
                case (.realServer(let id, _), .realServer(let real)): servers.add(real, to: id)
                default: break
                }
            }
        }
        addresses.sort()
        for (id, elements) in elements { sets += elements.sorted().map { .add($0, to: id.name) } }
    }
}
