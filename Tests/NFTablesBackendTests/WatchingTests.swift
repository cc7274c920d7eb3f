import Dataplane
import DataplaneConformance
import DataplaneTestKit
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// A backend that listens knows what others do, and goes on without reading everything where that is none of its business.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct WatchingTests {
    private static let service = Service.test(
        "web", clusterIPs: ["10.96.0.10"], endpoints: ["10.244.1.2", "10.244.1.3"])

    @Test func foreignChangesAreHeard() throws {
        let namespace = try NetworkNamespace("watching")
        let desired = Desired(services: [Self.service])
        try namespace.run {
            var state = desired.tracker()
            var backend = NFTablesBackend(options: desired.options)
            _ = try backend.startWatching()
            try backend.observe(into: &state)
            _ = try backend.apply(&state)
            #expect(try backend.heardChanges().isEmpty, "its own transaction")
            try namespace.nft("add table ip other\n")
            #expect(try backend.heardChanges().isEmpty, "somebody else's table")
            try namespace.nft("delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }\n")
            #expect(try backend.heardChanges().map(\.processName) == ["nft"])
            try backend.observe(into: &state)
            #expect(try backend.apply(&state).added == 1)
            #expect(try backend.heardChanges().isEmpty)
            try namespace.nft("flush ruleset\n")
            #expect(try backend.heardChanges().count == 1)
        }
    }

    /// The kernel's messages about a large transaction of ours would take its memory, so nobody listens to it. What others
    /// do before and after is heard.
    @Test func largeTransactionsAreNotListenedTo() throws {
        let namespace = try NetworkNamespace("watching")
        let services = (0..<800).map { number in
            Service.test(
                "s\(number)", clusterIPs: [IPAddress(ipv4: 0x0a60_0000 + UInt32(number))],
                endpoints: ["10.244.1.2", "10.244.1.3"])
        }
        let desired = Desired(services: services)
        try namespace.run {
            var state = desired.tracker()
            var backend = NFTablesBackend(options: desired.options)
            _ = try backend.startWatching()
            try backend.observe(into: &state)
            #expect(try backend.apply(&state).added > 2000)
            #expect(try backend.heardChanges().isEmpty)
            try namespace.nft("add table ip other\n")
            #expect(try backend.heardChanges().isEmpty, "somebody else's table")
            try namespace.nft("delete element ip svcctl endpoints_2 { 10.96.0.10 . tcp . 80 . 1 }\n")
            #expect(try backend.heardChanges().map(\.processName) == ["nft"])
            try backend.observe(into: &state)
            #expect(try backend.apply(&state).added == 1)
            #expect(try backend.heardChanges().isEmpty)
        }
    }

    /// A change is made at once although somebody else has changed something of theirs in between; nothing is lost if it
    /// was ours.
    @Test func othersDoNotMakeUsReadAgain() throws {
        let namespace = try NetworkNamespace("watching")
        let desired = Desired(services: [Self.service])
        let changed = Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: ["10.244.1.2", "10.244.1.9"])
        let planner = ServicePlanner(node: desired.node)
        let (old, new) = (planner.plan(Self.service), planner.plan(changed))
        try namespace.run {
            var state = desired.tracker()
            var backend = NFTablesBackend(options: desired.options)
            _ = try backend.startWatching()
            try backend.observe(into: &state)
            _ = try backend.apply(&state)
            try namespace.nft("add table ip other\nadd chain ip other c\n")
            state.unwant(backend.fragment(for: old))
            state.want(backend.fragment(for: new))
            // Two elements are replaced: the endpoint and its hairpin. Had it read everything again, the counts would
            // be the same, but a stray rule would have been found and removed with it.
            try namespace.nft("add table ip6 another\n")
            #expect(try backend.apply(&state).changed == 1)
            #expect(try Desired(services: [changed]).differences(in: namespace).isEmpty)

            try namespace.nft("add set ip svcctl stray { type ipv4_addr; }\n")
            state.unwant(backend.fragment(for: new))
            state.want(backend.fragment(for: old))
            _ = try backend.apply(&state)
            #expect(try desired.differences(in: namespace).isEmpty, "the stray set was found and removed")
        }
    }

    /// A transaction of its own that is too large to be heard of is no drift; somebody else's is.
    @Test func whatCannotBeHeardIsOnlyDriftIfItIsForeign() throws {
        let namespace = try NetworkNamespace("watching")
        let services = (1...500).map { number in
            Service.test(
                "web\(number)", clusterIPs: [IPAddress(ipv4: 0x0a60_0000 + UInt32(number))],
                endpoints: ["10.244.1.2", "10.244.1.3"])
        }
        let desired = Desired(services: services)
        try namespace.run {
            var state = desired.tracker()
            var backend = NFTablesBackend(options: desired.options)
            _ = try backend.startWatching(bufferSize: 4096)
            try backend.observe(into: &state)
            _ = try backend.apply(&state)
            #expect(try backend.heardChanges().isEmpty, "its own transaction")
            try namespace.nft("add table ip other\n")
            #expect(try backend.heardChanges().isEmpty, "somebody else's table")
            try namespace.nft("flush ruleset\n")
            #expect(try !backend.heardChanges().isEmpty)
        }
    }
}
