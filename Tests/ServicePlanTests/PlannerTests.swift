import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Which endpoints serve, for whom, and who is masqueraded. Numbers are those of the semantics.
@Suite struct PlannerTests {
    static func ip(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(ipv4: 0) }

    static func service(_ change: (inout Service) -> Void = { _ in }) -> Service {
        var service = Service(name: ServiceName(namespace: "shop", name: "web"))
        service.clusterIPs = [ip("10.96.0.10")]
        service.ports = [ServicePort(name: "http", port: 80, target: .number(8080), nodePort: 30080)]
        service.endpoints = [endpoint("10.244.1.1", node: "here"), endpoint("10.244.2.1", node: "there")]
        change(&service)
        return service
    }

    static func endpoint(_ address: String, node: String? = nil, _ conditions: EndpointConditions = .ready) -> Endpoint
    {
        var endpoint = Endpoint(address: ip(address))
        endpoint.nodeName = node
        endpoint.conditions = conditions
        return endpoint
    }

    static func plan(_ service: Service, _ node: NodeFacts = NodeFacts(nodeName: "here")) -> PlannedService {
        ServicePlanner(node: node).plan(service)
    }

    static func targets(_ treatment: Treatment?) -> [String] {
        treatment?.targets.map { "\($0.address):\($0.port)" } ?? []
    }

    /// The conditions of four endpoints, two here and two there, and who serves the cluster and the node.
    struct Conditions: Sendable, CustomTestStringConvertible {
        var name: String
        var here: [EndpointConditions]
        var there: [EndpointConditions]
        var cluster: [String]
        var local: [String]
        var testDescription: String { name }

        static let dying: EndpointConditions = [.isServing, .isTerminating]
        static let dead: EndpointConditions = [.isTerminating]
        static let unready: EndpointConditions = [.isServing]

        static let all = [
            Conditions(
                name: "all ready", here: [.ready], there: [.ready], cluster: ["10.0.0.0", "10.0.1.0"],
                local: ["10.0.0.0"]),
            Conditions(
                name: "terminating steps aside (11)", here: [.ready, dying], there: [dying], cluster: ["10.0.0.0"],
                local: ["10.0.0.0"]),
            Conditions(
                name: "only terminating serve (11)", here: [dying], there: [dying, dead],
                cluster: ["10.0.0.0", "10.0.1.0"], local: ["10.0.0.0"]),
            Conditions(
                name: "the node falls back on its own (12)", here: [dying], there: [.ready], cluster: ["10.0.1.0"],
                local: ["10.0.0.0"]),
            Conditions(name: "never the dead (11)", here: [dead], there: [dead], cluster: [], local: []),
            Conditions(name: "never the unready (11)", here: [unready], there: [unready], cluster: [], local: []),
            Conditions(name: "none here", here: [], there: [.ready], cluster: ["10.0.1.0"], local: []),
            Conditions(
                name: "ready and terminating is not ready (10)", here: [[.isReady, .isServing, .isTerminating]],
                there: [.ready], cluster: ["10.0.1.0"], local: ["10.0.0.0"]),
        ]
    }

    @Test(arguments: Conditions.all)
    func conditionsDecide(_ test: Conditions) {
        let service = Self.service { service in
            service.externalTrafficPolicy = .local
            service.endpoints =
                test.here.enumerated().map { Self.endpoint("10.0.0.\($0.offset)", node: "here", $0.element) }
                + test.there.enumerated().map { Self.endpoint("10.0.1.\($0.offset)", node: "there", $0.element) }
        }
        let plan = Self.plan(service)
        #expect(plan.frontends.count == 2)
        #expect(Self.targets(plan.frontends[0].treatment) == test.cluster.map { "\($0):8080" })
        #expect(Self.targets(plan.frontends[1].treatment) == test.local.map { "\($0):8080" })
        // Nothing anywhere is refused, nothing here alone is dropped (14, 26).
        if test.cluster.isEmpty {
            #expect(plan.frontends.allSatisfy { $0.treatment == .reject && $0.nodeTreatment == nil })
        } else {
            #expect(Self.targets(plan.frontends[1].nodeTreatment) == test.cluster.map { "\($0):8080" })
            if test.local.isEmpty { #expect(plan.frontends[1].treatment == .drop) }
        }
    }

    /// Semantics 10: publishing whatever the state.
    @Test func publishesNotReadyAddresses() {
        let service = Self.service { service in
            service.publishNotReadyAddresses = true
            service.endpoints = [Self.endpoint("10.0.0.1", [.isTerminating]), Self.endpoint("10.0.0.2", [])]
        }
        #expect(Self.targets(Self.plan(service).frontends[0].treatment) == ["10.0.0.1:8080", "10.0.0.2:8080"])
    }

    struct Hints: Sendable, CustomTestStringConvertible {
        var name: String
        /// For each of three ready endpoints: zones, nodes.
        var hints: [(zones: [String], nodes: [String])]
        var chosen: [Int]
        var testDescription: String { name }

        static let all = [
            Hints(name: "none", hints: [([], []), ([], []), ([], [])], chosen: [0, 1, 2]),
            Hints(name: "our zone", hints: [(["a"], []), (["b"], []), (["a", "b"], [])], chosen: [0, 2]),
            Hints(name: "one without a hint", hints: [(["a"], []), ([], []), (["b"], [])], chosen: [0, 1, 2]),
            Hints(
                name: "no endpoint for our zone", hints: [(["b"], []), (["c"], []), (["b"], [])], chosen: [0, 1, 2]),
            Hints(
                name: "our node first", hints: [(["a"], ["here"]), (["a"], ["there"]), (["a"], ["there"])], chosen: [0]),
            Hints(
                name: "no endpoint for our node", hints: [(["a"], ["x"]), (["b"], ["y"]), (["b"], ["z"])], chosen: [0]),
        ]
    }

    /// Semantics 13: all or nothing.
    @Test(arguments: Hints.all) func hintsChooseWhatIsNear(_ test: Hints) {
        let service = Self.service { service in
            service.isFromKubernetes = true
            service.externalTrafficPolicy = .local
            service.endpoints = test.hints.enumerated().map { index, hints in
                var endpoint = Self.endpoint("10.0.0.\(index)", node: "here")
                (endpoint.zoneHints, endpoint.nodeHints) = hints
                return endpoint
            }
            // One that is terminating has no say.
            service.endpoints.append(Self.endpoint("10.0.0.9", [.isServing, .isTerminating]))
        }
        let plan = Self.plan(service, NodeFacts(nodeName: "here", zone: "a"))
        #expect(Self.targets(plan.frontends[0].treatment) == test.chosen.map { "10.0.0.\($0):8080" })
        // Policy Local ignores hints.
        #expect(plan.frontends[1].treatment.targets.count == 3)
        // Where the node's place is not known, hints say nothing.
        #expect(Self.plan(service, NodeFacts()).frontends[0].treatment.targets.count == 3)
    }

    @Test(arguments: [("PreferClose", ["10.0.0.0", "10.0.0.1"]), ("PreferSameNode", ["10.0.0.0"])])
    func nativeDefinitionsHaveTheirHintsByDistribution(distribution: String, chosen: [String]) {
        let service = Self.service { service in
            service.trafficDistribution = distribution
            service.endpoints = [("here", "a"), ("there", "a"), ("far", "b")].enumerated().map { index, place in
                var endpoint = Self.endpoint("10.0.0.\(index)", node: place.0)
                endpoint.zone = place.1
                return endpoint
            }
        }
        let plan = Self.plan(service, NodeFacts(nodeName: "here", zone: "a"))
        #expect(Self.targets(plan.frontends[0].treatment) == chosen.map { "\($0):8080" })
    }

    /// Semantics 4: who may use the load balancer's addresses, the address itself among them.
    @Test(
        arguments: [
            ([], nil, nil), (["10.0.0.0/8"], ["10.0.0.0/8", "203.0.113.1/32"], []),
            (["10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8"], ["10.0.0.0/8", "203.0.113.1/32"], []),
            (["203.0.113.0/24"], ["203.0.113.0/24"], []), (["0.0.0.0/0", "10.0.0.0/8"], nil, []),
            (["2001:db8::/32"], [], ["2001:db8::/32"]), (["fd00::/16", "::/0"], [], nil),
        ] as [([String], [String]?, [String]?)])
    func sourceRanges(ranges: [String], ipv4: [String]?, ipv6: [String]?) {
        let service = Self.service { service in
            service.externalIPs = [Self.ip("203.0.113.2")]
            service.loadBalancerIPs = [Self.ip("203.0.113.1"), Self.ip("2001:db8::1")]
            service.loadBalancerSourceRanges = ranges.compactMap { CIDR($0) }
        }
        for frontend in Self.plan(service).frontends {
            let expected: [String]? =
                switch frontend.address {
                case .loadBalancerIP(let address): address.family == .ipv4 ? ipv4 : ipv6
                default: nil
                }
            #expect(frontend.allowedSources?.map(\.description) == expected, "\(frontend.reference)")
        }
    }

    /// Semantics 2: each family is a world of its own.
    @Test func familiesAreSeparate() {
        let service = Self.service { service in
            service.clusterIPs = [Self.ip("10.96.0.10"), Self.ip("fd00:96::10")]
            service.externalIPs = [Self.ip("203.0.113.1")]
            service.loadBalancerIPs = [Self.ip("2001:db8::1")]
            service.endpoints = [Self.endpoint("10.0.0.1"), Self.endpoint("fd00::1")]
        }
        let frontends = Self.plan(service).frontends
        #expect(frontends.count == 6)
        for frontend in frontends {
            #expect(frontend.treatment.targets.count == 1)
            #expect(frontend.treatment.targets.allSatisfy { $0.address.family == frontend.address.family })
        }
        let single = Self.service { $0.endpoints = [Self.endpoint("fd00::1")] }
        #expect(Self.plan(single).frontends.allSatisfy { $0.address.family == .ipv4 && $0.treatment == .reject })
    }

    /// Semantics 18 and 19.
    @Test func masquerade() {
        let cidr = ["10.244.0.0/16"].compactMap { CIDR($0) }
        func masquerades(_ node: NodeFacts) -> [Masquerade] {
            Self.plan(Self.service(), node).frontends.compactMap {
                if case .balance(_, let masquerade) = $0.treatment { masquerade } else { nil }
            }
        }
        #expect(masquerades(NodeFacts()) == [.never, .always])
        #expect(masquerades(NodeFacts(clusterCIDRs: cidr)) == [.outsideCluster, .always])
        #expect(masquerades(NodeFacts(clusterCIDRs: cidr, masqueradeAll: true)) == [.always, .always])
        let foreignFamily = ["fd00::/16"].compactMap { CIDR($0) }
        #expect(masquerades(NodeFacts(clusterCIDRs: foreignFamily)) == [.never, .always])
    }

    /// Semantics 16: twice the same endpoint is one share, and ports differ per endpoint.
    @Test func duplicatesAndPortsPerEndpoint() {
        let service = Self.service { service in
            service.ports[0].target = .name("http")
            service.endpoints = ["10.0.0.2", "10.0.0.1", "10.0.0.2", "10.0.0.3"].map { Self.endpoint($0) }
            for (index, port) in [9090, 8080, 9090].enumerated() {
                service.endpoints[index].ports = [EndpointPort(name: "http", port: UInt16(port))]
            }
        }
        #expect(Self.targets(Self.plan(service).frontends[0].treatment) == ["10.0.0.1:8080", "10.0.0.2:9090"])
    }

    /// Semantics 22: what may be here can meet itself.
    @Test func localityOfTargets() {
        let service = Self.service { service in
            service.endpoints = [
                Self.endpoint("10.0.0.1", node: "here"), Self.endpoint("10.0.0.2", node: "there"),
                Self.endpoint("10.0.0.3"),
            ]
        }
        #expect(Self.plan(service).frontends[0].treatment.targets.map(\.mayBeLocal) == [true, false, true])
        #expect(
            Self.plan(service, NodeFacts()).frontends[0].treatment.targets.map(\.mayBeLocal) == [true, true, true])
    }

    @Test func drainedEndpointsGetNothing() {
        let service = Self.service { $0.endpoints[0].weight = 0 }
        #expect(Self.targets(Self.plan(service).frontends[0].treatment) == ["10.244.2.1:8080"])
        let all = Self.service { service in for index in 0..<2 { service.endpoints[index].weight = 0 } }
        #expect(Self.plan(all).frontends.allSatisfy { $0.treatment == .reject })
    }

    /// Semantics 41: what existing UDP flows may go on to, whatever policy, topology, weight and termination say of new
    /// ones; and nothing for TCP, whose flows are left alone.
    @Test func servingEndpointsIgnorePolicyTopologyAndTermination() {
        let service = Self.service { service in
            service.clusterIPs.append(Self.ip("fd00:96::10"))
            service.externalIPs = [Self.ip("203.0.113.1")]
            service.externalTrafficPolicy = .local
            service.internalTrafficPolicy = .local
            service.ports.append(ServicePort(name: "dns", transport: .udp, port: 53, target: .number(5353)))
            service.endpoints = [
                Self.endpoint("10.244.9.9", node: "there"), Self.endpoint("10.244.1.1", node: "here"),
                Self.endpoint("10.244.1.2", node: "here", [.isServing, .isTerminating]),
                Self.endpoint("10.244.1.3", [.isServing]), Self.endpoint("10.244.1.4", []),
                Self.endpoint("10.244.1.5", [.isTerminating]), Self.endpoint("10.244.1.6", [.isReady]),
                Self.endpoint("10.244.9.9", node: "there"), Self.endpoint("fd00:244::1"),
            ]
            service.endpoints[0].zoneHints = ["b"]
            service.endpoints[1].zoneHints = ["a"]
            service.endpoints[1].weight = 0
        }
        for frontend in Self.plan(service, NodeFacts(nodeName: "here", zone: "a")).frontends {
            let ipv4 = ["10.244.1.1", "10.244.1.2", "10.244.1.3", "10.244.1.6", "10.244.9.9"]
            let expected = frontend.address.family == .ipv4 ? ipv4 : ["fd00:244::1"]
            let serving = frontend.servingEndpoints
            #expect(serving.map(\.address.description) == (frontend.transport == .udp ? expected : []))
            #expect(serving.allSatisfy { $0.port == 5353 })
        }
    }

    /// Semantics 10 and 41: what is published whatever its state serves whatever its state.
    @Test func publishedEndpointsServe() {
        let service = Self.service { service in
            service.publishNotReadyAddresses = true
            service.ports = [ServicePort(name: "dns", transport: .udp, port: 53, target: .number(53))]
            service.endpoints = [Self.endpoint("10.0.0.1", [.isTerminating]), Self.endpoint("10.0.0.2", [])]
        }
        let serving = Self.plan(service).frontends.first?.servingEndpoints
        #expect(serving?.map(\.address.description) == ["10.0.0.1", "10.0.0.2"])
    }

    /// Where the only ready endpoints are drained, the terminating ones stand in for all of them, not for this node alone.
    @Test func drainedEndpointsDoNotHoldBackTheFallback() {
        let service = Self.service { service in
            service.externalTrafficPolicy = .local
            service.externalIPs = [Self.ip("203.0.113.1")]
            service.endpoints = [
                Self.endpoint("10.244.1.1", node: "there"),
                Self.endpoint("10.244.2.1", node: "here", [.isServing, .isTerminating]),
            ]
            service.endpoints[0].weight = 0
        }
        let frontend = Self.plan(service).frontends.first { $0.address == .externalIP(Self.ip("203.0.113.1")) }
        #expect(Self.targets(frontend?.treatment) == ["10.244.2.1:8080"])
        #expect(Self.targets(frontend?.nodeTreatment) == ["10.244.2.1:8080"])
    }

    /// Semantics 8: the older service wins, whatever the order.
    @Test func theOlderClaimWins() {
        let old = Self.service {
            $0.name = ServiceName(namespace: "z", name: "old")
            $0.creationTimestamp = "2026-01-01T00:00:00Z"
        }
        let young = Self.service {
            $0.name = ServiceName(namespace: "a", name: "young")
            $0.creationTimestamp = "2026-02-01T00:00:00Z"
            $0.externalIPs = [Self.ip("203.0.113.9")]
        }
        let ageless = Self.service { $0.name = ServiceName(namespace: "a", name: "ageless") }
        for order in [[old, young, ageless], [ageless, young, old], [young, old, ageless]] {
            var claims = FrontendClaims()
            var plans: [String: PlannedService] = [:]
            var conflicts = 0
            for service in order.sorted(by: FrontendClaims.precedes) {
                var plan = Self.plan(service)
                conflicts += claims.admit(&plan).count
                plans[service.name.name] = plan
            }
            #expect(plans["old"]?.frontends.count == 2)
            #expect(plans["young"]?.frontends.map(\.address) == [.externalIP(Self.ip("203.0.113.9"))])
            #expect(plans["ageless"]?.frontends.isEmpty == true)
            #expect(conflicts == 4)
        }
    }

    @Test func anAddressIsServedOnce() {
        let service = Self.service { service in
            service.externalIPs = [Self.ip("203.0.113.1"), Self.ip("10.96.0.10")]
            service.loadBalancerIPs = [Self.ip("203.0.113.1")]
        }
        #expect(
            Self.plan(service).frontends.map(\.address) == [
                .clusterIP(Self.ip("10.96.0.10")), .loadBalancerIP(Self.ip("203.0.113.1")), .nodePort(.ipv4),
            ])
    }

    @Test(arguments: [
        ([1, 1, 1], [1, 1, 1]), ([2, 4], [1, 2]), ([3, 0, 3], [1, 0, 1]), ([5, 10, 15], [1, 2, 3]),
    ])
    func slotsFollowWeights(weights: [Int], counts: [Int]) {
        let targets = weights.enumerated().filter { $0.element > 0 }.map {
            Target(address: IPAddress(ipv4: UInt32($0.offset)), port: 1, weight: UInt16($0.element))
        }
        let slots = SlotTable.slots(targets)
        for (index, count) in counts.enumerated() {
            #expect(slots.count { $0.address == IPAddress(ipv4: UInt32(index)) } == count)
        }
    }

    @Test(arguments: [[1, 65535], [65534, 65535], [1, 1, 65535, 32768]])
    func slotsStayFew(weights: [Int]) {
        let targets = weights.enumerated().map {
            Target(address: IPAddress(ipv4: UInt32($0.offset)), port: 1, weight: UInt16($0.element))
        }
        let slots = SlotTable.slots(targets)
        #expect(slots.count == SlotTable.maximumForWeights)
        let sum = weights.reduce(0, +)
        for (index, weight) in weights.enumerated() {
            let share = Double(slots.count { $0.address == IPAddress(ipv4: UInt32(index)) }) / Double(slots.count)
            #expect(share > 0)
            #expect(abs(share - Double(weight) / Double(sum)) < 4.0 / 1024)
        }
    }

    /// One strong target among many weak ones gets its share, whatever the weights have in common.
    @Test(arguments: [(199, 10, 10_007), (999, 1, 1000), (1023, 1, 65535), (2999, 7, 20_000)])
    func aStrongTargetAmongManyGetsItsShare(weak: Int, weakWeight: UInt16, strongWeight: UInt16) {
        var targets = (1...weak).map { Target(address: IPAddress(ipv4: UInt32($0)), port: 1, weight: weakWeight) }
        targets.append(Target(address: IPAddress(ipv4: 0), port: 1, weight: strongWeight))
        let slots = SlotTable.slots(targets)
        #expect(Set(slots).count == targets.count)
        #expect(slots.count <= max(SlotTable.maximumForWeights, targets.count * 4))
        let wanted = Double(strongWeight) / Double(Int(strongWeight) + weak * Int(weakWeight))
        let share = Double(slots.count { $0.weight == strongWeight }) / Double(slots.count)
        // Every weak target has a slot at least, which is all that the strong one may be short of.
        #expect(share <= wanted + 1 / Double(slots.count))
        #expect(share >= min(wanted, 1 - Double(weak) / Double(slots.count)) - 1 / Double(slots.count))
    }

    /// More targets than any map of ours has slots.
    @Test func moreTargetsThanSlots() {
        let targets = (1...66_000).map {
            Target(address: IPAddress(ipv4: UInt32($0)), port: 1, weight: $0 == 1 ? 2 : 1)
        }
        #expect(SlotTable.slots(targets).count == SlotTable.maximum)
    }
}
