import Agent
import Dataplane
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

@Suite struct ReconcileEngineTests {
    static func service(_ number: Int, endpoints: [UInt32] = [1], _ change: (inout Service) -> Void = { _ in })
        -> Service
    {
        var service = Service(name: ServiceName(namespace: "test", name: "s\(number)"))
        service.clusterIPs = [IPAddress(ipv4: 0x0a60_0000 + UInt32(number))]
        service.ports = [ServicePort(name: "web", port: 80)]
        service.endpoints = endpoints.map { Endpoint(address: IPAddress(ipv4: 0x0af4_0100 + $0)) }
        change(&service)
        return service
    }

    private static func engine(_ kernel: FakeBackend.Kernel) -> ReconcileEngine<FakeBackend> {
        ReconcileEngine(FakeBackend(kernel: kernel), node: NodeFacts())
    }

    private static func changes(_ services: Service...) -> [ServiceName: Service?] {
        Dictionary(uniqueKeysWithValues: services.map { ($0.name, $0) })
    }

    @Test func followsDefinitions() throws {
        let kernel = FakeBackend.Kernel()
        var engine = Self.engine(kernel)
        engine.take(Self.changes(Self.service(1), Self.service(2)))
        #expect(kernel.objects.isEmpty, "taking definitions in touches no kernel")
        #expect(try engine.synchronize(isFull: true).summary.added == 3)
        // A change of one service writes what that has, and does not look at the rest.
        engine.take(Self.changes(Self.service(2, endpoints: [1, 2])))
        #expect(try engine.synchronize(isFull: false).summary == ChangeSummary(changed: 1))
        #expect(kernel.lastWrites == 1 && kernel.observations == 1)
        engine.take([Self.service(1).name: nil])
        #expect(try engine.synchronize(isFull: false).summary == ChangeSummary(removed: 1))
        #expect(try engine.synchronize(isFull: true).summary.isEmpty)
        #expect(engine.serviceCount == 1 && engine.frontendCount == 1)
    }

    /// Drift is mended by the next full comparison.
    @Test func mendsDrift() throws {
        let kernel = FakeBackend.Kernel()
        var engine = Self.engine(kernel)
        engine.take(Self.changes(Self.service(1), Self.service(2)))
        _ = try engine.synchronize(isFull: true)
        let right = kernel.objects
        kernel.objects["stranger"] = "x"
        kernel.objects["skeleton"] = nil
        kernel.objects["cluster IP 10.96.0.1 port 80/TCP"] = "y"
        #expect(try engine.synchronize(isFull: true).summary == ChangeSummary(added: 1, changed: 1, removed: 1))
        #expect(kernel.objects == right)
    }

    /// One service that the kernel refuses keeps what it had; all others go on. It is tried again when it changes, and at
    /// each full comparison.
    @Test func isolatesWhatIsRefused() throws {
        let kernel = FakeBackend.Kernel()
        var engine = Self.engine(kernel)
        engine.take(Self.changes(Self.service(1), Self.service(2)))
        _ = try engine.synchronize(isFull: true)
        kernel.refuses = ["10.244.1.9"]
        engine.take(
            Self.changes(Self.service(1, endpoints: [9]), Self.service(2, endpoints: [2]), Self.service(3)))
        let report = try engine.synchronize(isFull: false)
        #expect(report.refused.keys.map(\.description) == ["test/s1"])
        #expect(kernel.objects["cluster IP 10.96.0.1 port 80/TCP"] == "test/s1 [\"10.244.1.1\"]")
        #expect(kernel.objects["cluster IP 10.96.0.2 port 80/TCP"] == "test/s2 [\"10.244.1.2\"]")
        #expect(kernel.objects["cluster IP 10.96.0.3 port 80/TCP"] != nil)
        // A new one that is refused is left out.
        engine.take(Self.changes(Self.service(4, endpoints: [9]), Self.service(2, endpoints: [3])))
        #expect(try engine.synchronize(isFull: false).refused.count == 2)
        #expect(kernel.objects["cluster IP 10.96.0.4 port 80/TCP"] == nil)
        #expect(kernel.objects["cluster IP 10.96.0.2 port 80/TCP"] == "test/s2 [\"10.244.1.3\"]")
        // Still refused; then one is mended, and the other possible.
        #expect(try engine.synchronize(isFull: true).refused.count == 2)
        engine.take(Self.changes(Self.service(1, endpoints: [5])))
        #expect(try engine.synchronize(isFull: false).refused.keys.map(\.description) == ["test/s4"])
        kernel.refuses = []
        #expect(try engine.synchronize(isFull: true).refused.isEmpty)
        #expect(kernel.objects["cluster IP 10.96.0.4 port 80/TCP"] == "test/s4 [\"10.244.1.9\"]")
    }

    /// A program that was just started takes nothing away to find out which service is to blame.
    @Test func aRestartKeepsWhatIsThere() throws {
        let kernel = FakeBackend.Kernel()
        var before = Self.engine(kernel)
        for number in 1...64 { before.take(Self.changes(Self.service(number, endpoints: [1]))) }
        before.take(Self.changes(Self.service(100, endpoints: [1])))
        _ = try before.synchronize(isFull: true)
        kernel.refuses = ["10.244.1.9"]
        kernel.fewestObjects = .max
        var engine = Self.engine(kernel)
        for number in 1...64 { engine.take(Self.changes(Self.service(number, endpoints: [number == 7 ? 9 : 2]))) }
        let report = try engine.synchronize(isFull: true)
        #expect(report.refused.keys.map(\.description) == ["test/s7"])
        // The skeleton and the 63 others; what nobody wants goes at the end.
        #expect(kernel.objects.count == 64 && kernel.fewestObjects == 64)
        #expect(kernel.objects["cluster IP 10.96.0.64 port 80/TCP"] == "test/s64 [\"10.244.1.2\"]")
        kernel.refuses = []
        #expect(try engine.synchronize(isFull: true).refused.isEmpty)
        #expect(kernel.objects.count == 65)
    }

    /// One among many that is refused costs a few transactions, not one for each of the others.
    @Test func findsTheRefusedByHalving() throws {
        let kernel = FakeBackend.Kernel()
        var engine = Self.engine(kernel)
        kernel.refuses = ["10.244.1.9"]
        for number in 1...256 { engine.take(Self.changes(Self.service(number, endpoints: [number == 77 ? 9 : 1]))) }
        let report = try engine.synchronize(isFull: true)
        #expect(report.refused.keys.map(\.description) == ["test/s77"])
        #expect(kernel.objects.count == 256 && kernel.calls < 30)
    }

    /// A failure for another reason while refused services are looked for: no service stays as it was before.
    @Test(arguments: 1...8) func failsWhileLookingForTheRefused(passes: Int) throws {
        let kernel = FakeBackend.Kernel()
        var engine = Self.engine(kernel)
        engine.take(Self.changes(Self.service(1), Self.service(2)))
        _ = try engine.synchronize(isFull: true)
        kernel.refuses = ["10.244.1.9"]
        (kernel.passes, kernel.failures) = (passes, 1)
        engine.take(
            Self.changes(Self.service(1, endpoints: [9]), Self.service(2, endpoints: [2]), Self.service(3)))
        _ = try? engine.synchronize(isFull: false)
        kernel.failures = 0
        #expect(try engine.synchronize(isFull: true).refused.keys.map(\.description) == ["test/s1"])
        #expect(kernel.objects["cluster IP 10.96.0.1 port 80/TCP"] == "test/s1 [\"10.244.1.1\"]")
        #expect(kernel.objects["cluster IP 10.96.0.2 port 80/TCP"] == "test/s2 [\"10.244.1.2\"]")
        #expect(kernel.objects["cluster IP 10.96.0.3 port 80/TCP"] != nil)
    }

    /// Every kernel call fails once: the next full try gets everything right.
    @Test(arguments: 1...6) func convergesAfterFailures(failures: Int) throws {
        let kernel = FakeBackend.Kernel()
        var engine = Self.engine(kernel)
        engine.take(Self.changes(Self.service(1), Self.service(2)))
        kernel.failures = failures
        var isDone = false
        for _ in 0..<20 where !isDone {
            do {
                _ = try engine.synchronize(isFull: true)
                isDone = true
            } catch { #expect(error.message == "not now") }
        }
        #expect(isDone && kernel.objects.count == 3)
        kernel.failures = failures
        engine.take(Self.changes(Self.service(2, endpoints: [7])))
        for _ in 0..<20 {
            do {
                _ = try engine.synchronize(isFull: false)
                break
            } catch { #expect(error.message == "not now") }
        }
        #expect(kernel.objects["cluster IP 10.96.0.2 port 80/TCP"] == "test/s2 [\"10.244.1.7\"]")
    }

    /// With the real backend: the kernel after many changes is the one that a new process would make.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func matchesANewProcess() throws {
        let namespace = try NetworkNamespace("engine")
        let fresh = try NetworkNamespace("fresh")
        let list = ["nft", "list", "ruleset"]
        let services = (0..<40).map { number in
            Self.service(number, endpoints: Array(0..<UInt32(number % 7))) { service in
                service.scheduler = [.random, .roundRobin, .sourceHash, .maglev][number % 4]
                service.clientIPAffinitySeconds = number % 3 == 0 ? 60 : nil
                service.maxConnectionsPerSource = number % 5 == 0 ? UInt32(number + 1) : nil
            }
        }
        try namespace.run {
            var engine = ReconcileEngine(
                NFTablesBackend(options: LayoutOptions()), node: NodeFacts())
            for round in 0..<12 {
                var changes: [ServiceName: Service?] = [:]
                for (number, service) in services.enumerated() where number % 4 == round % 4 || round == 0 {
                    var changed: Service? = service
                    if (number + round) % 3 == 0 { changed = nil }
                    if (number + round) % 5 == 0 { changed?.endpoints.removeFirst(min(1, service.endpoints.count)) }
                    changes.updateValue(changed, forKey: service.name)
                }
                engine.take(changes)
                _ = try engine.synchronize(isFull: round == 0)
            }
            engine.take(Dictionary(uniqueKeysWithValues: services.map { ($0.name, $0) }))
            _ = try engine.synchronize(isFull: false)
            #expect(try engine.synchronize(isFull: true).summary.isEmpty, "what it believed to be there was there")
        }
        try fresh.run {
            var engine = ReconcileEngine(
                NFTablesBackend(options: LayoutOptions()), node: NodeFacts())
            engine.take(Dictionary(uniqueKeysWithValues: services.map { ($0.name, $0) }))
            _ = try engine.synchronize(isFull: true)
        }
        func lines(_ namespace: NetworkNamespace) throws -> [String] {
            // Who has left is remembered for a while.
            for family in ["ip", "ip6"] {
                try namespace.tool(["nft", "flush", "set", family, "svcctl", "affinity_departed"])
            }
            return try namespace.tool(list).split(separator: "\n").map(String.init).sorted()
        }
        #expect(try lines(namespace) == lines(fresh))
    }
}
