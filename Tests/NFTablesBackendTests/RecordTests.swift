import Dataplane
import DataplaneConformance
import DataplaneTestKit
import Foundation
import NFTables
import NetAddress
import ServiceModel
import ServicePlan
import Synchronization
import Testing

@testable import NFTablesBackend

/// Who is started again believes what was noted, as long as nobody can have changed it, and finds the same as who reads
/// everything.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct RecordTests {
    /// A record's file, which goes with its owner.
    final class File: Sendable {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("svcctl-\(UUID().uuidString)").path
        deinit { try? FileManager.default.removeItem(atPath: path) }

        var content: Data { get throws { try Data(contentsOf: URL(fileURLWithPath: path)) } }

        /// Makes it say that what it has was there at the namespace's generation of now.
        func claim(_ namespace: NetworkNamespace) throws {
            let word = try 1 << 32 | UInt64(ConvergenceTests.generation(namespace))
            let old = try content
            try write(old.prefix(16) + withUnsafeBytes(of: word) { Data($0) } + old.dropFirst(24))
        }

        /// In place, as who has it mapped writes.
        func write(_ data: Data) throws {
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try handle.write(contentsOf: data)
            try handle.close()
        }
    }

    /// What one start found.
    struct Start: Sendable {
        /// Whether the endpoints were believed.
        var believed = false
        /// Whether that was all that should be there.
        var isExact = false
        /// What was not as it should be.
        var differences: [DifferenceLine] = []
        /// What a look at everything finds afterwards.
        var left: [DifferenceLine] = []
    }

    /// Starts as an agent does, makes the kernel match, and ends.
    private static func start(_ desired: Desired, _ file: File, in namespace: NetworkNamespace) throws -> Start {
        try namespace.run {
            var options = desired.options
            options.recordPath = file.path
            var start = Start()
            var state = desired.tracker()
            var backend = NFTablesBackend(options: options)
            _ = try backend.startWatching()
            try backend.observe(into: &state)
            start.believed = backend.believedSets.contains { $0.role == .endpoints }
            start.isExact = backend.isRecordCurrent
            start.differences = NFTablesBackend.differences(in: state)
            #expect(try start.differences == desired.differencesHere(), "as who reads everything")
            #expect(try start.differences == desired.differencesHere(asksForAll: true), "as who asks for each element")
            _ = try backend.apply(&state)
            _ = try backend.heardChanges()
            start.left = try desired.differencesHere()
            return start
        }
    }

    /// Brings the kernel up to date, and listens to others from before that on while the closure runs.
    private static func listen(
        _ desired: Desired, _ file: File, in namespace: NetworkNamespace,
        _ body: @Sendable (inout NFTablesBackend) throws -> Void
    ) throws {
        try namespace.run {
            var options = desired.options
            options.recordPath = file.path
            var state = desired.tracker()
            var backend = NFTablesBackend(options: options)
            _ = try backend.startWatching()
            try backend.observe(into: &state)
            _ = try backend.apply(&state)
            try body(&backend)
        }
    }

    private static let desired = Desired(services: SampleServices.everything)

    @Test func isBelievedOverRightRules() throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        #expect(try !Self.start(Self.desired, file, in: namespace).believed)
        let before = try ConvergenceTests.generation(namespace)
        for _ in 0..<2 {
            let again = try Self.start(Self.desired, file, in: namespace)
            #expect(again.believed && again.differences == [] && again.left == [])
        }
        #expect(try ConvergenceTests.generation(namespace) == before, "nothing was sent")
    }

    /// Services that came, went and changed while nobody was there.
    @Test func findsWhatTheDefinitionsChanged() throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        var services = (0..<300).map { number in
            Service.test(
                "s\(number)", clusterIPs: [IPAddress(ipv4: 0x0a60_0000 + UInt32(number))],
                endpoints: (1...3).map { IPAddress(ipv4: 0x0af4_0000 + UInt32(number * 4 + $0)) })
        }
        _ = try Self.start(Desired(services: services), file, in: namespace)
        services.removeFirst(10)
        for index in 0..<10 {
            services[index].endpoints[0] = Endpoint(address: IPAddress(ipv4: 0x0af5_0000 + UInt32(index)))
        }
        for index in 10..<20 { services[index].endpoints.removeLast() }
        for index in 20..<30 { services[index].scheduler = .sourceHash }
        services += SampleServices.everything
        let again = try Self.start(Desired(services: services), file, in: namespace)
        #expect(again.believed && again.differences.count > 100 && again.left == [])
        let last = try Self.start(Desired(services: services), file, in: namespace)
        #expect(last.believed && last.differences == [])
    }

    /// What others do while nobody is there, of ours or not, makes everything be read.
    @Test(arguments: [
        "add element ip svcctl cluster_ips { 10.96.7.7 }\n",
        "add element ip svcctl endpoints_2 { 10.96.9.9 . tcp . 80 . 1 : 10.244.9.9 . 80 }\n",
        "delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }\n",
        """
        delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }
        add element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 : 10.244.9.9 . 80 }

        """,
        "flush set ip svcctl hairpin\n", "flush chain ip svcctl services\n", "delete table ip svcctl\n",
        "flush ruleset\n",
    ])
    func isNotBelievedAfterAnybodysChange(_ change: String) throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        let desired = Desired(services: [ConvergenceTests.web, ConvergenceTests.other])
        _ = try Self.start(desired, file, in: namespace)
        try namespace.nft(change)
        let again = try Self.start(desired, file, in: namespace)
        #expect(!again.believed && !again.differences.isEmpty && again.left == [])
        try namespace.nft("add table ip other\n")
        #expect(try !Self.start(desired, file, in: namespace).believed, "nobody knows what else was changed")
        #expect(try Self.start(desired, file, in: namespace).believed)
    }

    /// While we listen, it is known that others change nothing of ours.
    @Test func staysRightWhileOthersChangeWhatIsTheirs() throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        let desired = Desired(services: [ConvergenceTests.web])
        try Self.listen(desired, file, in: namespace) { backend in
            try namespace.nft("add table ip other\n")
            #expect(try backend.heardChanges().isEmpty)
        }
        #expect(try Self.start(desired, file, in: namespace).believed)
    }

    /// One that is older than the rules, broken, cut off, somebody else's to write, or of another namespace proves nothing.
    @Test func isNotBelievedIfItMayBeWrong() throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        let (old, new) = (Desired(services: [ConvergenceTests.web]), Self.desired)
        func expectDisbelief(_ what: Comment) throws {
            let start = try Self.start(new, file, in: namespace)
            #expect(!start.believed && start.left == [], what)
        }
        _ = try Self.start(old, file, in: namespace)
        let before = try file.content
        _ = try Self.start(new, file, in: namespace)
        let good = try file.content
        try file.write(before)
        try expectDisbelief("older")
        try file.write(good.prefix(16) + Data(count: 8) + good.dropFirst(24))
        try expectDisbelief("half written")
        var broken = good
        for index in stride(from: 200, to: broken.count, by: 999) { broken[index] ^= 1 }
        try file.write(broken)
        try expectDisbelief("broken")
        try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: file.path)
        try expectDisbelief("anybody's")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
        try FileManager.default.linkItem(atPath: file.path, toPath: file.path + ".other")
        try expectDisbelief("two names")
        try FileManager.default.removeItem(atPath: file.path + ".other")
        #expect(try Self.start(new, file, in: namespace).believed)
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file.path))
        try handle.truncate(atOffset: 4096)
        try handle.close()
        try expectDisbelief("cut off")
        let elsewhere = try NetworkNamespace("record")
        #expect(try !Self.start(new, file, in: elsewhere).believed)
        try expectDisbelief("another namespace's")
    }

    /// What cannot be, as long as the kernel counts its changes, must still do no harm.
    @Test func isNoMoreBelievedIfTheKernelContradicts() throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        _ = try Self.start(Self.desired, file, in: namespace)
        try namespace.nft("delete table ip svcctl\n")
        try file.claim(namespace)
        let again = try Self.start(Self.desired, file, in: namespace)
        #expect(again.believed && !again.isExact && again.left == [], "IPv6 is still there")
        let last = try Self.start(Self.desired, file, in: namespace)
        #expect(last.isExact && last.differences == [], "what was made anew was noted once")
    }

    /// One set has an element too many, which newer kernels tell, and another set has a wrong one.
    @Test func isNotBelievedInPart() throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        let desired = Desired(services: [ConvergenceTests.web, ConvergenceTests.other])
        _ = try Self.start(desired, file, in: namespace)
        let counts = try namespace.run {
            var socket = try NFTablesSocket()
            return try socket.sets(of: Layout.table(.ipv4)).contains { $0.count != nil }
        }
        guard counts else { return }
        try namespace.nft(
            """
            add element ip svcctl cluster_ips { 10.96.7.7 }
            delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }
            add element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 : 10.244.9.9 . 80 }

            """)
        try file.claim(namespace)
        let again = try Self.start(desired, file, in: namespace)
        #expect(!again.believed && again.left == [])
    }

    /// Others change what is ours and what is not while it is looked at.
    @Test func isRightWhileOthersInterfere() throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        let desired = Desired(services: [ConvergenceTests.web, ConvergenceTests.other])
        _ = try Self.start(desired, file, in: namespace)
        let isOver = Mutex(false)
        let others = try BackgroundRun(in: namespace) {
            while !isOver.withLock({ $0 }) {
                try? namespace.nft("add table ip other\ndelete table ip other\n")
                try? namespace.nft("delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }\n")
            }
        }
        for _ in 0..<20 {
            try Self.listen(desired, file, in: namespace) { _ = try $0.heardChanges() }
        }
        isOver.withLock { $0 = true }
        try others.wait()
        _ = try Self.start(desired, file, in: namespace)
        let last = try Self.start(desired, file, in: namespace)
        #expect(last.believed && last.isExact && last.left == [])
    }

    /// Where no file can be made, everything is read.
    @Test func worksWithoutAFile() throws {
        let namespace = try NetworkNamespace("record")
        var options = Self.desired.options
        options.recordPath = "/proc/nowhere/record"
        try namespace.run { [options] in
            for _ in 0..<2 {
                var state = Self.desired.tracker()
                var backend = NFTablesBackend(options: options)
                try backend.observe(into: &state)
                #expect(backend.believedSets.isEmpty)
                _ = try backend.apply(&state)
            }
        }
    }

    /// Random definitions, one after another, by one backend after another: each finds what reading everything would.
    @Test(arguments: 1...4 as ClosedRange<UInt64>) func followsRandomDefinitions(seed: UInt64) throws {
        let (namespace, file) = (try NetworkNamespace("record"), File())
        try namespace.run {
            var random = SplitMix64(seed: seed)
            var services = random.services(30)
            let node = random.nodeFacts()
            var options = LayoutOptions(node: node)
            options.recordPath = file.path
            for life in 0..<5 {
                services = random.successors(of: services, count: 30)
                var plans = ServicePlans(services, node: node)
                var agent = Reconciliation(NFTablesBackend(options: options), plans: plans)
                _ = try agent.backend.startWatching()
                try agent.observe()
                #expect(agent.backend.believedSets.isEmpty == (life == 0))
                for _ in 0..<4 {
                    var reader = Reconciliation(NFTablesBackend(options: LayoutOptions(node: node)), plans: plans)
                    if life % 2 == 1 { reader.backend.largestRead = 0 }
                    try reader.observe()
                    #expect(Self.elements(agent.state).symmetricDifference(Self.elements(reader.state)) == [])
                    _ = try agent.apply()
                    #expect(try agent.backend.heardChanges().isEmpty)
                    services = random.successors(of: services, count: 30)
                    let next = ServicePlans(services, node: node)
                    let (old, new) = (Self.byName(plans), Self.byName(next))
                    for name in Set(old.keys).union(new.keys) where old[name] != new[name] {
                        agent.backend.exchange(old[name], for: new[name], in: &agent.state)
                    }
                    plans = next
                }
                _ = try agent.apply()
                #expect(try agent.backend.heardChanges().isEmpty)
                var fresh = Reconciliation(NFTablesBackend(options: options), plans: plans)
                try fresh.observe()
                let isExact = fresh.backend.isRecordCurrent
                #expect(isExact, "what was noted")
            }
        }
    }

    /// The elements that differ. A rule's text depends on whether it was read.
    private static func elements(_ state: borrowing DeltaTracker<ObjectKey, ObjectValue>) -> Set<DifferenceLine> {
        Set(NFTablesBackend.differences(in: state).filter { $0.object.hasPrefix("element ") })
    }

    private static func byName(_ plans: ServicePlans) -> [ServiceName: PlannedService] {
        Dictionary(plans.services.map { ($0.name, $0) }) { first, _ in first }
    }
}

extension Desired {
    /// What is not as it should be in the calling thread's namespace, for who reads everything.
    fileprivate func differencesHere(asksForAll: Bool = false) throws -> [DifferenceLine] {
        var state = tracker()
        var backend = NFTablesBackend(options: options)
        if asksForAll { backend.largestRead = 0 }
        try backend.observe(into: &state)
        return NFTablesBackend.differences(in: state)
    }
}
