internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// One run of one conformance test: a lab, a system, and what was found wrong.
final class Trial {
    let system: any SystemUnderTest
    let lab: ConformanceLab
    /// What was applied last.
    private(set) var state = DesiredState()
    /// Addresses that the node has besides those of the lab.
    private var moreNodeAddresses: Set<IPAddress> = []
    private(set) var failures: [String] = []
    /// How many packets' fates were looked at.
    var attempts = 0

    /// A port that no service of any test has.
    private static let undefinedPort: UInt16 = 1234
    /// Ports that are neither services' nor chosen by the kernel.
    private static let portsOfClients: ClosedRange<UInt16> = 10_000...27_999
    private var nextPortOfClient = portsOfClients.lowerBound

    init(_ system: any SystemUnderTest, _ lab: ConformanceLab) {
        self.system = system
        self.lab = lab
    }

    // MARK: - Doing

    /// Applies, after which nothing may be left to do.
    func apply(_ services: [Service], node: NodeFacts = .conformance()) throws {
        try apply(DesiredState(services, node: node))
    }

    func apply(_ state: DesiredState) throws {
        self.state = state
        try system.apply(state, in: lab.node)
        let left = try system.differences(state, in: lab.node)
        check(left.isEmpty, "apply leaves differences: \(left.prefix(5))")
    }

    /// Gives the node an address, as an administrator does.
    func addToNode(_ address: IPAddress, interface: String = "lo") throws {
        try lab.node.add(
            [InterfaceAddress(address, prefixLength: address.family.addressBits)], to: interface)
        moreNodeAddresses.insert(address)
    }

    // MARK: - Looking

    var sources: [Source] { lab.sources }

    var nodeAddresses: Set<IPAddress> {
        let known = [Lab.nodeAddresses, Lab.gatewayAddresses, Lab.nodeAddressesOnRemoteLink]
        let loopback = DualStack(ipv4: IPAddress(ipv4: 0x7f00_0001), ipv6: IPAddress(ipv6: 0, 1))
        return moreNodeAddresses.union((known + [loopback]).flatMap { [$0.ipv4, $0.ipv6] })
    }

    var oracle: Oracle {
        Oracle(
            node: state.node, nodeAddresses: nodeAddresses, showsAnyNodeAddress: system.abilities.addressesAreLocal)
    }

    /// Tries every destination of what was applied, from every source, against the oracle; and a port of every cluster
    /// IP that no service defines (semantics 31).
    func examine(
        thoroughly: Bool = true,
        nodePortsAt addresses: [IPAddress] = [Lab.nodeAddresses.ipv4, Lab.nodeAddresses.ipv6],
        _ include: (Destination) -> Bool = { _ in true }
    ) throws {
        let oracle = oracle
        let destinations = Destination.all(of: state.services, nodePortsAt: addresses).filter(include)
        var cells = destinations.flatMap { destination in
            // A loopback address is everybody's own.
            sources.filter { $0.isNode || !destination.address.isLoopback }.map { source in
                Examination.Cell(
                    source: source, address: destination.address, port: destination.port,
                    transport: destination.transport, destination: "\(destination)",
                    expected: oracle.expectation(of: destination, from: source))
            }
        }
        let clusterIPs = destinations.filter { $0.kind == .clusterIP }.map(\.address)
        for address in Set(clusterIPs) {
            cells += sources.map {
                cell(
                    $0, address, Self.undefinedPort, .tcp, .refused,
                    "a port that the cluster IP \(address) does not define")
            }
        }
        try examine(cells, thoroughly: thoroughly)
    }

    /// A port for a UDP client of which connection tracking knows nothing: one that was used before would continue the
    /// flow of that time.
    func freshPort() -> UInt16 {
        defer {
            let isLast = nextPortOfClient == Self.portsOfClients.upperBound
            nextPortOfClient = isLast ? Self.portsOfClients.lowerBound : nextPortOfClient + 1
        }
        return nextPortOfClient
    }

    /// One attempt of one source, for tests that look at more than the oracle knows.
    func probe(
        from source: Source, to address: IPAddress, port: UInt16 = 80, transport: TransportProtocol = .tcp,
        sourcePort: UInt16? = nil, timeout: Duration = .seconds(5)
    ) -> Outcome {
        attempts += 1
        return Client.probe(
            from: source.namespace, to: address, port: port, transport: transport,
            source: source.boundAddress(address.family), sourcePort: sourcePort, timeout: timeout)
    }

    /// What becomes of a TCP connection from each of these sources to each of these addresses. All are tried at once, so
    /// that silence is waited for but once.
    func outcomes(
        from sources: [Source], to addresses: [IPAddress], port: UInt16 = 80, patience: Duration
    ) throws -> [(source: Source, address: IPAddress, outcome: Outcome)] {
        attempts += sources.count * addresses.count
        let found = try Client.probe(
            sources.map { source in
                ProbeBatch(
                    from: source.namespace,
                    addresses.map {
                        Probe($0, port: port, source: source.boundAddress($0.family), patience: patience)
                    })
            })
        return zip(sources, found).flatMap { source, found in
            zip(addresses, found).map { (source, $0, $1) }
        }
    }

    /// How many of so many connections a server gets.
    func share(of server: String, in count: Int, from source: Source, to address: IPAddress) throws -> Int {
        attempts += count
        let probes = Array(repeating: Probe(address, port: 80), count: count)
        return try Client.probe(probes, from: source.namespace).count { $0.server == server }
    }

    /// Tries one destination from every source.
    func expect(
        _ expected: Expectation, at address: IPAddress, port: UInt16 = 80, transport: TransportProtocol = .tcp,
        _ what: String
    ) throws {
        try examine(sources.map { cell($0, address, port, transport, expected, what) }, thoroughly: true)
    }

    /// Tries addresses that nothing serves: what is sent there leaves by the default route and ends in silence.
    func expectSilence(_ addresses: [IPAddress], port: UInt16 = 80, _ what: String) throws {
        let cells = addresses.flatMap { address in
            sources.map { cell($0, address, port, .tcp, .dropped, "\(what) (\(address))") }
        }
        try examine(cells, thoroughly: true)
    }

    private func cell(
        _ source: Source, _ address: IPAddress, _ port: UInt16, _ transport: TransportProtocol,
        _ expected: Expectation, _ what: String
    ) -> Examination.Cell {
        Examination.Cell(
            source: source, address: address, port: port, transport: transport, destination: what, expected: expected)
    }

    private func examine(_ cells: [Examination.Cell], thoroughly: Bool) throws {
        var examination = Examination(cells)
        try examination.run(thoroughly: thoroughly)
        attempts += examination.attempts
        failures += examination.mismatches
    }

    func check(_ condition: Bool, _ what: @autoclosure () -> String) {
        if !condition { failures.append(what()) }
    }
}
