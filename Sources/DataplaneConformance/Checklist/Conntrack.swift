internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel
internal import ServicePlan

/// UDP clients that keep their ports, so that each is one flow to connection tracking.
private struct UDPFlows {
    private let flows: [(what: String, isNode: Bool, flow: UDPFlow)]

    /// One from every source to every destination.
    init(from sources: [Source], to destinations: [Destination], _ trial: Trial) throws {
        flows = try destinations.flatMap { destination in
            try sources.map { source in
                let flow = try UDPFlow(
                    from: source.namespace, to: destination.address, port: destination.port,
                    source: source.boundAddress(destination.address.family), sourcePort: trial.freshPort())
                return ("\(destination) from \(source.name)", source.isNode, flow)
            }
        }
    }

    func outcomes(_ trial: Trial, timeout: Duration = .seconds(10)) -> [Outcome] {
        trial.attempts += flows.count
        return UDPFlow.probe(flows.map(\.flow), timeout: timeout)
    }

    /// Each gets an answer, from one of these servers.
    func expect(_ servers: Set<String>, _ trial: Trial, _ what: String) {
        for (flow, outcome) in zip(flows, outcomes(trial)) {
            let isRight = outcome.server.map(servers.contains) ?? false
            trial.check(isRight, "\(what): \(flow.what): \(outcome)")
        }
    }

    func expectRefusal(_ trial: Trial, _ what: String) {
        for (flow, outcome) in zip(flows, outcomes(trial)) {
            let isRight = Expectation.refused.matches(outcome, isOwnDatagram: flow.isNode)
            trial.check(isRight, "\(what): \(flow.what): \(outcome)")
        }
    }

    func expectNoAnswer(_ trial: Trial, _ what: String) {
        for (flow, outcome) in zip(flows, outcomes(trial, timeout: .milliseconds(200))) {
            trial.check(outcome.server == nil, "\(what): \(flow.what): \(outcome)")
        }
    }

    /// Each gets an answer from where it got one before, unless that is said to be gone.
    func compare(_ before: [Outcome], _ trial: Trial, without gone: String? = nil, _ what: String) {
        for (flow, (old, new)) in zip(flows, zip(before, outcomes(trial))) {
            let isRight = old.server == gone ? new.server != gone && new.server != nil : new.server == old.server
            trial.check(isRight, "\(what): \(flow.what): \(old), then \(new)")
        }
    }
}

extension ConformanceTest {
    private static func web(
        _ places: [Place], target: UInt16 = 8080, _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        .numbered(1, "web", transports: [.udp], endpoints: places.map { $0.endpoints() }) {
            $0.ports[0].target = .number(target)
            change(&$0)
        }
    }

    private static func server(_ place: Place, _ port: UInt16 = 8080) -> String { ConformanceLab.server(place, port) }

    private static func destinations(of services: [Service]) -> [Destination] {
        Destination.all(of: services, nodePortsAt: [Lab.nodeAddresses.ipv4, Lab.nodeAddresses.ipv6])
    }

    /// From everybody to every address of the service.
    private static func flows(_ trial: Trial) throws -> UDPFlows {
        try UDPFlows(from: trial.sources, to: destinations(of: [web([])]), trial)
    }

    /// What connection tracking remembers when the rules change.
    static let conntrack: [ConformanceTest] = [
        ConformanceTest("UDP that keeps sending survives the replacement of its server (semantics 41 to 43 and 45)") {
            trial in
            for policy in TrafficPolicy.allCases {
                let change: (inout Service) -> Void = { $0.externalTrafficPolicy = policy }
                try trial.apply([web([.pod1], change)])
                let flows = try flows(trial)
                for place in [Place.pod1, .pod2, .pod1] {
                    try trial.apply([web([place], change)])
                    flows.expect([server(place)], trial, "external policy \(policy), served by \(place)")
                }
            }
        },
        ConformanceTest("UDP flows of endpoints that stay are left alone (semantics 41 and 44)") { trial in
            try trial.apply([web([.pod1, .pod2])])
            let flows = try flows(trial)
            let before = flows.outcomes(trial)
            trial.check(before.allSatisfy { $0.server != nil }, "\(before)")
            try trial.apply([web([.pod1, .pod2])])
            flows.compare(before, trial, "a second apply")
            try trial.apply([web([.pod1, .pod2, .remote1])])
            flows.compare(before, trial, "an endpoint came")
            try trial.apply([web([.pod2, .remote1])])
            flows.compare(before, trial, without: server(.pod1), "an endpoint went")
        },
        ConformanceTest("UDP is refused when the last endpoint goes, and served when one comes (semantics 42)") {
            trial in
            try trial.apply([web([])])
            let flows = try flows(trial)
            flows.expectRefusal(trial, "without endpoints")
            for _ in 0..<2 {
                try trial.apply([web([.pod1])])
                flows.expect([server(.pod1)], trial, "with an endpoint")
                try trial.apply([web([])])
                flows.expectRefusal(trial, "after the last endpoint")
            }
        },
        ConformanceTest(
            "UDP gets no more answers from a service that was deleted, and again when it is back (semantics 42)"
        ) { trial in
            // Something else is served first, so that connections are tracked before there is the service.
            let other = Service.numbered(2, "other", transports: [.udp], endpoints: [Place.pod2.endpoints()])
            try trial.apply([other])
            let flows = try flows(trial)
            let others = try UDPFlows(from: trial.sources, to: destinations(of: [other]), trial)
            flows.expectNoAnswer(trial, "before there is the service")
            for _ in 0..<2 {
                try trial.apply([web([.pod1]), other])
                flows.expect([server(.pod1)], trial, "with the service")
                try trial.apply([other])
                flows.expectNoAnswer(trial, "without the service")
                others.expect([server(.pod2)], trial, "the other service")
            }
        },
        ConformanceTest("UDP follows a change of the target port (semantics 42)") { trial in
            try trial.apply([web([.pod1])])
            let flows = try flows(trial)
            for port: UInt16 in [8080, 9090, 8080] {
                try trial.apply([web([.pod1], target: port)])
                flows.expect([server(.pod1, port)], trial, "target port \(port)")
            }
        },
        ConformanceTest("an endpoint that still serves keeps the UDP flows that it has (semantics 41)") { trial in
            try trial.apply([web([.pod1])])
            let flows = try flows(trial)
            flows.expect([server(.pod1)], trial, "with one endpoint")
            let leaving = Service.numbered(
                1, "web", transports: [.udp], endpoints: [Place.pod1.endpoints(.serving), Place.pod2.endpoints()])
            try trial.apply([leaving])
            flows.expect([server(.pod1)], trial, "while it still serves")
            try trial.examine()
            // That it is gone is noticed although nobody who is new meets other rules.
            try trial.apply([web([.pod2])])
            flows.expect([server(.pod2)], trial, "after it went")
        },
        ConformanceTest("TCP and the flows of strangers are left alone (semantics 40 and 41)", keepsConnections: true) {
            trial in
            // A server of somebody else's has the number of the node port.
            let strangers = try IPFamily.allCases.map { family in
                try EchoServer(
                    in: trial.lab.pod.namespace, address: trial.lab.pod.addresses[family], port: 30_001,
                    transport: .udp, name: "stranger")
            }
            defer { for server in strangers { server.stop() } }
            let tcp = Service.numbered(2, "tcp", endpoints: [Place.pod1.endpoints()])
            try trial.apply([web([.pod1]), tcp])
            let connections = try tcp.clusterIPs.map {
                try LongConnection(from: trial.lab.client.namespace, to: $0, port: 80)
            }
            let toStranger = try IPFamily.allCases.map { family in
                try UDPFlow(
                    from: trial.lab.client.namespace, to: trial.lab.pod.addresses[family], port: 30_001,
                    sourcePort: trial.freshPort())
            }
            func look(_ what: String) {
                trial.attempts += toStranger.count
                check(connections, trial)
                for flow in toStranger {
                    let outcome = flow.probe()
                    trial.check(outcome.server == "stranger", "\(what): \(outcome)")
                }
            }
            look("before")
            let emptied = Service.numbered(2, "tcp")
            let states: [[Service]] = [[web([.pod2]), emptied], [web([]), emptied], [emptied], []]
            for services in states {
                try trial.apply(services)
                look("\(services.map(\.name.name)) left")
            }
        },
        ConformanceTest("a segment out of its window does not end a connection (semantics 46)", keepsConnections: true)
        {
            trial in
            let service = Service.numbered(1, "web", endpoints: [Place.pod1.endpoints()])
            try trial.apply([service])
            let ended = trial.system.abilities.endedByStraySegments
            if ended != .none {
                for address in (ended == .all ? service.clusterIPs : []) + service.externalIPs {
                    trial.check(
                        try !outlivesStraySegment(address, trial), "\(address): there is no need for the setting")
                }
                try trial.lab.node.sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", "1")
            }
            for address in service.clusterIPs + service.externalIPs {
                trial.check(try outlivesStraySegment(address, trial), "\(address): the connection was reset")
            }
        },
    ]

    /// Connects, lets the server's host send a segment that lies far outside of the window, and tells whether the
    /// connection can be used after whoever got the segment has answered it.
    private static func outlivesStraySegment(_ address: IPAddress, _ trial: Trial) throws -> Bool {
        trial.attempts += 1
        let server = try TCPForger(
            in: trial.lab.endpoint.namespace, Place.pod1.addresses[address.family], port: 8080)
        let connection = try LongConnection(from: trial.lab.client.namespace, to: address, port: 80)
        guard case .answered(_, let peer, let port) = connection.greeting,
            try connection.exchange("before") == "before"
        else {
            trial.check(false, "\(address): \(connection.greeting)")
            return false
        }
        let answer = try server.sendOutOfWindow(to: peer, port: port)
        func isAlive() -> Bool { (try? connection.exchange("after")) == "after" }
        if answer == .acknowledged { return isAlive() }
        // Who forges hears of the reset a moment before the server does.
        let outlivesReset = (0..<50).allSatisfy { _ in isAlive() }
        trial.check(!outlivesReset, "\(address): a connection that was reset is alive")
        return false
    }
}
