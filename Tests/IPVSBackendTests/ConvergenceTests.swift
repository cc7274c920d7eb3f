import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPVSBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

extension WithKernel {
    /// From whatever is there to what should be there, and nothing more.
    @Suite struct ConvergenceTests {
        static let web = Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: ["10.244.1.2", "10.244.1.3"])
        static let other = Service.test(
            "other", clusterIPs: ["10.96.0.11", "fd00:96::11"], nodePort: 30080, endpoints: ["10.244.1.4", "fd00::4"])
        static let node: NodeFacts = {
            var node = NodeFacts(nodeName: "node-a")
            node.addresses = ["192.0.2.10", "2001:db8::10"]
            return node
        }()

        @Test func secondApplySendsNothing() throws {
            let namespace = try NetworkNamespace("second")
            let desired = Desired(services: SampleServices.everything, node: Self.node)
            let added = try desired.apply(in: namespace).added
            #expect(added > 400)
            try desired.observing(in: namespace) { reconciliation in
                let changes = try reconciliation.apply()
                #expect(changes.isEmpty)
                #expect(reconciliation.backend.transactionTime == .zero, "the kernel was not asked to change anything")
            }
        }

        /// Every state to every other, by a new process each.
        @Test func convergesFromAnyState() throws {
            var three = Self.web
            three.endpoints.append(Endpoint(address: "10.244.1.9"))
            var moved = Self.other
            moved.clusterIPs = ["10.96.0.10"]
            var sticky = Self.web
            sticky.clientIPAffinitySeconds = 60
            sticky.scheduler = .lc
            sticky.endpoints[0].weight = 7
            var restricted = Self.other
            restricted.allowedSources = [CIDR("10.0.0.0/8")].compactMap(\.self)
            var pods = Self.node
            pods.clusterCIDRs = [CIDR("10.244.0.0/16")].compactMap(\.self)
            let states = [
                Desired(services: []), Desired(services: [Self.web, Self.other], node: Self.node),
                Desired(services: [three, moved], node: Self.node),
                Desired(services: [sticky, restricted], node: pods),
            ]
            let namespace = try NetworkNamespace("any")
            // Each step is between two states once.
            for index in [0, 1, 2, 3, 0, 2, 1, 3, 2, 0, 3, 1, 0] {
                try states[index].apply(in: namespace)
                let left = try states[index].differences(in: namespace)
                #expect(left == [])
            }
        }

        /// One endpoint's change is one message, and an endpoint's weight leaves all else alone.
        @Test func changesOnlyWhatDiffers() throws {
            let namespace = try NetworkNamespace("only")
            var services = Service.numbered(1...20)
            try Desired(services: services).apply(in: namespace)
            services[7].endpoints[1] = Endpoint(address: "10.250.0.1")
            let next = Desired(services: services)
            #expect(
                try next.differences(in: namespace) == [
                    "- ipvsadm -a -t 10.96.1.8:80 -r 10.244.0.66:8080 -m -w 1",
                    "+ ipvsadm -a -t 10.96.1.8:80 -r 10.250.0.1:8080 -m -w 1",
                ])
            #expect(try next.apply(in: namespace) == ChangeSummary(added: 1, changed: 0, removed: 1))
            services[7].endpoints[1].weight = 9
            let heavier = try Desired(services: services).apply(in: namespace)
            #expect(heavier == ChangeSummary(added: 0, changed: 1, removed: 0))
        }

        /// Random definitions, one after another, by a backend that goes on with the same tracker: who knows nothing
        /// then finds nothing to do.
        @Test(arguments: 1...2 as ClosedRange<UInt64>) func randomSequences(_ seed: UInt64) throws {
            let namespace = try NetworkNamespace("random")
            var random = SplitMix64(seed: seed)
            let first = Desired(services: [], node: random.nodeFacts(), masqueradeBit: random.below(28))
            var rounds = [first]
            for index in 0..<4 {
                var next = first
                next.services = random.successors(of: rounds[index].services, count: 12).map { service in
                    var service = service
                    service.maxConnections = nil
                    service.maxConnectionsPerSource = nil
                    service.newConnectionsPerSecond = nil
                    return service
                }.filter { !IPVSBackend.limits(of: $0, on: first.node).contains(where: \.isRefused) }
                rounds.append(next)
            }
            try namespace.run { [rounds] in
                var plans = first.plans
                var reconciliation = Reconciliation(IPVSBackend(options: first.options), plans: plans)
                try reconciliation.observe()
                for round in rounds {
                    let (before, after) = (Self.byName(plans), Self.byName(round.plans))
                    for name in Set(before.keys).union(after.keys).sorted() where before[name] != after[name] {
                        reconciliation.backend.exchange(before[name], for: after[name], in: &reconciliation.state)
                    }
                    plans = round.plans
                    _ = try reconciliation.apply()
                    let left = try round.differences(in: namespace)
                    #expect(left == [], "seed \(seed)")
                }
            }
        }

        private static func byName(_ plans: ServicePlans) -> [ServiceName: PlannedService] {
            Dictionary(plans.services.map { ($0.name, $0) }) { first, _ in first }
        }
    }
}
