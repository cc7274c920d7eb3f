internal import ArgumentParser
internal import EtcdSource
internal import Logging
internal import NFTables
internal import NetAddress
internal import ServiceModel

struct Register: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hold an endpoint of a service in etcd until this command ends.",
        discussion: """
            SIGINT or SIGTERM let it leave in order: first it is marked as terminating, so that new connections go to \
            other endpoints while there are any, and after --drain it leaves. A second signal shortens that. If this \
            command is killed, the endpoint leaves when its lease ends.
            """)

    @Argument(help: ArgumentHelp("The service.", valueName: "namespace/name"))
    var service: ServiceNameArgument
    @Argument(help: "The endpoint's address.")
    var address: AddressArgument
    @Option(
        name: .customLong("port"),
        help: ArgumentHelp(
            "A port on the endpoint that differs from the service's target port, by the name of the service port.",
            valueName: "[name=]number"))
    var ports: [PortArgument] = []
    @Option(help: "The share of new connections, 0 to 65535.")
    var weight: Int = 1
    @Option(help: "The name of the node that the endpoint is on.")
    var nodeName: String?
    @Option(help: "The zone that the endpoint is in.")
    var zone: String?
    @Option(help: "The last part of the key. Default: the address and the ports.")
    var id: String?
    @Option(help: "How long the endpoint stays if this command is killed.")
    var ttl = DurationArgument(seconds: 15)
    @Option(help: "How long the endpoint stays, marked as terminating, after SIGINT or SIGTERM.")
    var drain = DurationArgument(seconds: 5)
    @OptionGroup var etcd: EtcdOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard ttl.duration >= .seconds(2), ttl.duration <= .seconds(86400) else {
            throw ValidationError("--ttl must be 2s to 24h")
        }
        guard KeyLayout.isID(endpointID) else {
            throw ValidationError("--id must have 1 to 253 printable characters other than '/'")
        }
    }

    func run() async throws {
        let signals = StopSignals()
        let cluster = EtcdCluster(etcd.etcd.location, credentials: etcd.access.credentials)
        do {
            let values = (serving: value(isDraining: false), draining: value(isDraining: true))
            try check(values.serving)
            let registration = Registration(
                cluster, key: cluster.layout.endpoint(service.name, id: endpointID),
                seconds: Int(ttl.duration.components.seconds))
            let holder = EndpointHolder(registration, ttl: ttl.duration, output)
            try await signals.runUntilSignal {
                try await holder.enter(values.serving) { try await checkAgainstService(cluster) }
                try await holder.hold(values.serving)
            }
            if await holder.isThere, drain.duration > .zero {
                try await signals.runUntilSignal { try await holder.drain(values.draining, for: drain.duration) }
            }
            try await holder.leave()
            await cluster.close()
        } catch {
            await cluster.close()
            throw fail(error)
        }
    }

    private var endpointID: String { id ?? ([address.text] + ports.map(\.text)).joined(separator: ",") }

    private func value(isDraining: Bool) -> [UInt8] {
        var members = [JSON.Member("address", .string(address.text))]
        func add(_ name: String, _ value: JSON?) {
            if let value { members.append(JSON.Member(name, value)) }
        }
        add("ports", ports.isEmpty ? nil : .object(ports.map { JSON.Member($0.name, .number($0.number)) }))
        add("conditions", isDraining ? ["ready": false, "serving": true, "terminating": true] : nil)
        add("nodeName", nodeName.map { .string($0) })
        add("zone", zone.map { .string($0) })
        add("weight", weight == 1 ? nil : .number(weight))
        var text: [UInt8] = []
        JSON.object(members).write(to: &text)
        return text
    }

    private func check(_ value: [UInt8]) throws {
        try StoredService.check(endpoint: DefinitionInput(name: "endpoint", bytes: value))
    }

    /// Refuses an endpoint that does not go with the service, if that is there and good.
    private func checkAgainstService(_ cluster: EtcdCluster) async throws {
        let key = cluster.layout.service(service.name)
        guard let text = try await cluster.ask({ try await $0.value(key) }) else {
            return output.logger.warning("there is no service \(service.name) in etcd yet")
        }
        let stored = DefinitionInput(name: key, bytes: text)
        let endpoint = DefinitionInput(name: "endpoint", bytes: value(isDraining: false))
        do {
            _ = try StoredService(decoding: stored, named: service.name, endpoints: [endpoint])
        } catch  where error.inputs == ["endpoint"] {
            throw error
        } catch {
            output.logger.warning("\(key) is not a good service at the moment")
        }
    }
}

/// Keeps an endpoint in etcd, whatever happens on the way there.
private actor EndpointHolder {
    private let registration: Registration
    private let ttl: Duration
    private let logger: Logger
    private let format: OutputFormat
    private(set) var isThere = false

    init(_ registration: Registration, ttl: Duration, _ output: OutputOptions) {
        self.registration = registration
        self.ttl = ttl
        logger = output.logger
        format = output.output
    }

    /// Prints what became of the endpoint, a line each time.
    private func tell(_ what: String) {
        switch format {
        case .text: printBytes(Array("\(what) \(registration.key)\n".utf8))
        case .json: printJSON(["state": .string(what), "key": .string(registration.key)])
        }
    }

    /// Registers; waits for etcd if it does not answer.
    func enter(_ value: [UInt8], check: () async throws -> Void) async throws {
        while true {
            do {
                try await check()
                try await registration.write(value)
                isThere = true
                return tell("registered")
            } catch let error as EtcdError where error.kind == .unreachable {
                logger.warning("etcd: \(error.message)")
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Renews for ever; registers again if the lease was lost.
    func hold(_ value: [UInt8]) async throws {
        while true {
            try await Task.sleep(for: ttl / 3)
            do {
                guard try await !registration.renew() else { continue }
                logger.warning("the lease was lost; registering again")
                try await registration.write(value)
            } catch let error as EtcdError where !Task.isCancelled {
                logger.warning("etcd: \(error.message)")
            }
        }
    }

    func drain(_ value: [UInt8], for time: Duration) async throws {
        do {
            guard try await registration.replace(value) else {
                return logger.notice("\(registration.key) is held by somebody else now, or was deleted")
            }
        } catch let error as EtcdError where !Task.isCancelled {
            return logger.warning("etcd: \(error.message)")
        }
        tell("draining")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.hold(value) }
            group.addTask { try await Task.sleep(for: time) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    func leave() async throws {
        // It may be there although nobody has told us yet.
        try await registration.leave()
        if isThere { tell("left") }
    }
}
