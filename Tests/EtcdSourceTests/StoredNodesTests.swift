import Foundation
import ServiceModel
import ServiceSource
import Testing

@testable import EtcdSource

/// What a store says of the cluster's nodes.
@Suite struct StoredNodesTests {
    private let layout = KeyLayout(prefix: "/p")
    private let now = Timestamp(milliseconds: 1)

    /// A store with one service, which makes it complete.
    private func state() -> StoreState {
        var state = StoreState(layout: layout)
        var listing = StoreListing(layout: layout)
        (listing.clusterID, listing.revision) = ("1", 5)
        let service = #"{"name": "shop/a", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80}]}"#
        let key = Array(layout.service(ServiceName(namespace: "shop", name: "a")).utf8)
        listing.add(key: key, value: Array(service.utf8), createRevision: 3, modRevision: 5)
        state.take(listing, now: now)
        return state
    }

    private func put(_ name: String, _ document: String?, in state: inout StoreState) {
        let value = document.map { Array($0.utf8) }
        state.take(key: Array(layout.node(name).utf8), value: value, createRevision: 6, modRevision: 6, now: now)
    }

    private func document(_ name: String, zone: String, padding: Int = 0) -> String {
        let annotation = String(repeating: "x", count: padding)
        let labels = #"{"topology.kubernetes.io/zone": "\#(zone)"}"#
        let metadata = #"{"name": "\#(name)", "labels": \#(labels), "annotations": {"a": "\#(annotation)"}}"#
        return #"{"kind": "Node", "metadata": \#(metadata)}"#
    }

    @Test func whatIsChangedBackIsNoNews() {
        var state = state()
        put("a", document("a", zone: "z1"), in: &state)
        #expect(state.update(now: now)?.nodes == ["a": ClusterNode(name: "a", zone: "z1")])
        put("a", document("a", zone: "z2"), in: &state)
        put("a", document("a", zone: "z1"), in: &state)
        #expect(state.update(now: now) == nil)
        put("a", nil, in: &state)
        put("a", document("a", zone: "z1"), in: &state)
        #expect(state.update(now: now) == nil)
        put("a", document("a", zone: "z1"), in: &state)
        put("a", nil, in: &state)
        #expect(state.update(now: now)?.nodes == [:])
    }

    /// Too large, no JSON, not what it should be: the last good state stays, and what is mended is forgotten.
    @Test func keepsTheLastGoodState() {
        var state = state()
        let good = document("a", zone: "z1")
        put("a", good, in: &state)
        #expect(state.update(now: now)?.nodes.count == 1)
        for bad in [document("a", zone: "z2", padding: 1 << 20), "", "{", "[]", "\u{0}", document("b", zone: "z2")] {
            put("a", bad, in: &state)
            let update = state.update(now: now)
            #expect(update?.nodes["a"]?.zone == "z1" && update?.findings.count == 1, "\(bad.prefix(40))")
            put("a", good, in: &state)
            #expect(state.update(now: now)?.findings == [], "\(bad.prefix(40))")
        }
    }

    /// What is known of a node takes little room, whatever the store has.
    @Test func forgetsDocuments() throws {
        func residentMegabytes() throws -> Int {
            let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
            return try #require(fields.dropFirst().first.flatMap { Int($0) }) * 4096 / 1_000_000
        }
        var state = state()
        let before = try residentMegabytes()
        // What is wrong from its first byte on is looked at soonest. Other tests take memory at the same time.
        for number in 0..<200 {
            put("n\(number)", String(repeating: "x", count: 900_000), in: &state)
            _ = state.update(now: now)
        }
        let grown = try residentMegabytes() - before
        #expect(grown < 100, "of 180 MB in the store: \(grown) MB")
    }
}
