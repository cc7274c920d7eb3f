import Dataplane
import DataplaneConformance
import NetAddress
import ServiceModel
import ServicePlan
import Testing

@testable import IPVSBackend

/// What virtual and real servers are like, and what a service cannot have.
@Suite struct ServerLoweringTests {
    private static func web(_ change: (inout Service) -> Void) -> Service {
        .test("web", clusterIPs: ["10.96.0.10"], endpoints: ["10.244.1.2"], change)
    }

    private static func server(_ change: (inout Service) -> Void) -> String? {
        LoweringTests.servers(web(change)).first
    }

    private static let expectedSchedulers: [(ServiceModel.Scheduler, String)] = [
        (.random, "wrr"), (.roundRobin, "wrr"), (.sourceHash, "sh -b sh-fallback"), (.maglev, "mh -b mh-fallback"),
        (.rr, "rr"), (.wrr, "wrr"), (.lc, "lc"), (.wlc, "wlc"), (.sh, "sh"), (.dh, "dh"), (.sed, "sed"), (.nq, "nq"),
        (.lblc, "lblc"), (.lblcr, "lblcr"), (.mh, "mh"), (.fo, "fo"), (.ovf, "ovf"),
    ]

    @Test func schedulers() {
        #expect(Self.expectedSchedulers.map(\.0) == Scheduler.allCases)
        for (scheduler, name) in Self.expectedSchedulers {
            #expect(Self.server { $0.scheduler = scheduler } == "-A -t 10.96.0.10:80 -s \(name)")
        }
    }

    @Test func flags() {
        func flagged(_ scheduler: ServiceModel.Scheduler, _ flags: SchedulerFlags) -> String? {
            Self.server {
                $0.scheduler = scheduler
                $0.virtualServer.schedulerFlags = flags
            }
        }
        #expect(flagged(.sh, .fallback) == "-A -t 10.96.0.10:80 -s sh -b sh-fallback")
        #expect(flagged(.sh, .port) == "-A -t 10.96.0.10:80 -s sh -b sh-port")
        #expect(flagged(.mh, [.fallback, .port]) == "-A -t 10.96.0.10:80 -s mh -b mh-fallback,mh-port")
        #expect(flagged(.sourceHash, .port) == "-A -t 10.96.0.10:80 -s sh -b sh-fallback,sh-port")
    }

    @Test func persistenceAndSingleDatagrams() {
        #expect(Self.server { $0.clientIPAffinitySeconds = 10800 } == "-A -t 10.96.0.10:80 -s wrr -p 10800")
        let datagrams = Service.test("dns", clusterIPs: ["10.96.0.53"], transport: .udp, endpoints: ["10.244.1.2"]) {
            $0.virtualServer.isOnePacket = true
        }
        #expect(
            LoweringTests.servers(datagrams) == [
                "-A -u 10.96.0.53:80 -s wrr -o", "-a -u 10.96.0.53:80 -r 10.244.1.2:8080 -m -w 1",
            ])
        let association = Service.test("sip", clusterIPs: ["fd00:96::1"], transport: .sctp, endpoints: ["fd00::2"])
        #expect(LoweringTests.servers(association).first == "-A --sctp-service [fd00:96::1]:80 -s wrr")
    }

    /// Who leaves packets as they are masquerades nobody either.
    @Test(arguments: [
        (ForwardingMethod.masquerade, "-m -w 1"), (.direct, "-g -w 1"), (.tunnel, "-i -w 1 --tun-type ipip"),
    ])
    func forwardingMethods(_ method: ForwardingMethod, _ options: String) {
        let lines = LoweringTests.lines(
            Self.web {
                $0.clusterIPs = []
                $0.externalIPs = ["203.0.113.7"]
                $0.ports[0].target = .number(80)
                $0.virtualServer.forwardingMethod = method
            })
        #expect(lines.last == "-a -t 203.0.113.7:80 -r 10.244.1.2:80 \(options)")
        #expect(lines.contains { $0.contains("MASQUERADED") } == (method == .masquerade))
    }

    /// Each endpoint counts as much as its weight; with 0 it is drained, which for TCP means that it is not wanted.
    @Test func weights() {
        func reals(_ transport: TransportProtocol) -> [String] {
            let service = Service.test(
                "web", clusterIPs: ["10.96.0.10"], transport: transport,
                endpoints: ["10.244.1.2", "10.244.1.3", "10.244.1.4"]
            ) {
                $0.endpoints[0].weight = 0
                $0.endpoints[1].weight = 3
                $0.endpoints[2].weight = .max
            }
            return LoweringTests.servers(service).dropFirst().map { String($0.split(separator: "-r ").last ?? "") }
        }
        #expect(reals(.tcp) == ["10.244.1.3:8080 -m -w 3", "10.244.1.4:8080 -m -w 65535"])
        // Older UDP flows go on to whoever answers (semantics 41).
        #expect(reals(.udp) == ["10.244.1.2:8080 -m -w 0", "10.244.1.3:8080 -m -w 3", "10.244.1.4:8080 -m -w 65535"])
    }

    /// Without an endpoint that the policy allows, a UDP frontend has a virtual server for older flows alone.
    @Test func olderFlowsOfDroppedFrontends() {
        let service = Service.test("dns", clusterIPs: ["10.96.0.53"], transport: .udp, endpoints: ["10.244.2.2"]) {
            $0.internalTrafficPolicy = .local
            $0.endpoints[0].nodeName = "node-b"
        }
        #expect(
            LoweringTests.servers(service) == [
                "-A -u 10.96.0.53:80 -s wrr", "-a -u 10.96.0.53:80 -r 10.244.2.2:8080 -m -w 0",
            ])
        #expect(LoweringTests.lines(service).contains { $0.hasPrefix("4-DROPPED 10.96.0.53,udp:80 ") })
        #expect(!LoweringTests.lines(service).contains { $0.hasPrefix("4-SERVICES") })
    }

    /// Endpoints may have ports of their own, and the same address twice.
    @Test func targetPortsOfEndpoints() {
        let service = Self.web {
            $0.ports[0].target = .name("web")
            $0.endpoints.append($0.endpoints[0])
            for (index, port) in [8081, 8082].enumerated() {
                $0.endpoints[index].ports = [EndpointPort(name: "web", port: UInt16(port))]
            }
        }
        #expect(
            LoweringTests.servers(service).dropFirst() == [
                "-a -t 10.96.0.10:80 -r 10.244.1.2:8081 -m -w 1", "-a -t 10.96.0.10:80 -r 10.244.1.2:8082 -m -w 1",
            ])
    }

    // MARK: - Limits

    private static func limits(_ node: NodeFacts = LoweringTests.node, _ change: (inout Service) -> Void) -> [String] {
        IPVSBackend.limits(of: web(change), on: node).map { ($0.isRefused ? "refused: " : "warning: ") + $0.message }
    }

    @Test func whatCanBeDone() {
        #expect(Self.limits { $0.scheduler = .ovf } == [])
        #expect(Self.limits { $0.ports[0].nodePort = 30080 } == [])
        #expect(Self.limits { $0.virtualServer.schedulerFlags = .port } == [])
        for method in [ForwardingMethod.direct, .tunnel] {
            let found = Self.limits {
                $0.ports[0].target = .number(80)
                $0.virtualServer.forwardingMethod = method
            }
            #expect(found == [])
        }
    }

    @Test func whatCannotBeDone() {
        let limited = "refused: maxConnections and newConnectionsPerSecond are not available with --backend ipvs"
        #expect(Self.limits { $0.maxConnections = 1 }.map { $0.hasPrefix(limited) } == [true])
        #expect(Self.limits { $0.maxConnectionsPerSource = 1 }.map { $0.hasPrefix(limited) } == [true])
        let rate = RateLimit(perSecond: 1, burst: 1)
        #expect(Self.limits { $0.newConnectionsPerSecond = rate }.map { $0.hasPrefix(limited) } == [true])
        #expect(
            Self.limits { $0.externalIPs = ["192.0.2.10"] }.map {
                $0.hasPrefix("refused: 192.0.2.10 is an address of the node itself")
            } == [true])
        #expect(
            Self.limits(NodeFacts(nodeName: "node-a")) { $0.ports[0].nodePort = 30080 }.map {
                $0.hasPrefix("warning: the node's addresses are not known")
            } == [true])
    }

    /// Where the kernel has no IPv6, what is left of a service is what IPv4 takes; sets and rules stand all the same.
    @Test func kernelsWithoutIPv6() {
        let service = Self.web { $0.clusterIPs.append("fd00:96::10") }
        var state = DeltaTracker<ObjectKey, ObjectValue>()
        let backend = IPVSBackend(options: LayoutOptions(node: LoweringTests.node))
        let plans = ServicePlans([service], node: LoweringTests.node)
        for plan in plans.services { state.want(backend.fragment(for: plan)) }
        let all = Changes(state, nodeAddresses: [], hasIPv6: true)
        let some = Changes(state, nodeAddresses: [], hasIPv6: false)
        #expect(all.addresses.added == ["10.96.0.10", "fd00:96::10"] && some.addresses.added == ["10.96.0.10"])
        #expect(all.servers.newServers.count == 1 && some.servers.newServers.count == 1)
        #expect(all.elements.added.count == 4 && some.elements.added.count == 4)
    }

    /// It is said where nobody may reach a part of a service.
    @Test func nodesWithoutIPv6() {
        var node = NodeFacts(nodeName: "node-a")
        node.addresses = ["192.0.2.10"]
        let limits = Self.limits(node) { $0.clusterIPs.append("fd00:96::10") }
        #expect(limits.map { $0.hasPrefix("warning: IPv6 seems to be off on this node") } == [true])
        #expect(Self.limits(node) { _ in } == [])
        node.addresses = ["192.0.2.10", "::1"]
        #expect(Self.limits(node) { $0.clusterIPs.append("fd00:96::10") } == [])
    }

    @Test func untranslatedPorts() {
        let direct = Self.limits {
            $0.virtualServer.forwardingMethod = .direct
            $0.ports[0].nodePort = 30080
        }
        #expect(direct.count == 2 && direct.allSatisfy { $0.hasPrefix("refused: forwardingMethod direct ") })
        #expect(direct.first?.contains("port 80 cannot lead to port 8080") == true)
        #expect(direct.last?.contains("leave out the node ports") == true)
    }
}
