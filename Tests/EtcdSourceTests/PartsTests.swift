import Foundation
import NIOCore
import ServiceModel
import ServiceSource
import Testing

@testable import EtcdSource

/// The parts that need no etcd.
struct PartsTests {
    /// However a stream is cut into chunks, the same messages come of it.
    @Test(arguments: [1, 2, 3, 7, 50, 1000]) func chunks(size: Int) throws {
        let lines = (1...20).map { #"{"result": {"header": {"revision": "\#($0)"}}}"# }
        let text = Array((lines.joined(separator: "\n") + "\n\n" + #"{"result": "#).utf8)
        var buffer = MessageBuffer(member: "m")
        var revisions: [Int64?] = []
        for start in stride(from: 0, to: text.count, by: size) {
            let messages = try buffer.add(ByteBuffer(bytes: text[start..<min(start + size, text.count)]))
            revisions += messages.map { $0.result?.revision }
        }
        #expect(revisions == (1...20).map { Int64($0) })
        #expect(throws: EtcdError.self) { try buffer.add(ByteBuffer(string: "x\n")) }
    }

    @Test func watchMessages() throws {
        let put = """
            {"result":{"header":{"cluster_id":"14841639068965178418","member_id":"1","revision":"7","raft_term":"2"},\
            "events":[{"kv":{"key":"L2E=","create_revision":"5","mod_revision":"7","version":"2","value":"e30="}},\
            {"type":"DELETE","kv":{"key":"L2I=","mod_revision":"7"}},{"kv":{"key":"L2M=","mod_revision":8}}]}}
            """
        let result = try #require(WatchMessage(line: Array(put.utf8))?.result)
        #expect(result.clusterID == "14841639068965178418" && result.revision == 7 && !result.isCreated)
        #expect(result.events.map { String(decoding: $0.key, as: UTF8.self) } == ["/a", "/b", "/c"])
        #expect(result.events.map(\.value) == [Array("{}".utf8), nil, []])
        #expect(result.events.map(\.createRevision) == [5, 0, 0])
        #expect(result.events.map(\.modRevision) == [7, 7, 8])
        let ended = #"{"result": {"canceled": true, "compact_revision": "9", "cancel_reason": "why"}}"#
        let end = try #require(WatchMessage(line: Array(ended.utf8))?.result)
        #expect(end.isCanceled && end.compactRevision == 9 && end.cancelReason == "why" && end.events.isEmpty)
        let failed = #"{"error": {"grpc_code": 14, "message": "etcdserver: no leader"}}"#
        #expect(WatchMessage(line: Array(failed.utf8))?.error?.asError == EtcdError(.unreachable, "no leader"))
    }

    @Test(arguments: [
        "", "[]", "{", #"{"result": 1}"#, #"{"result": {"events": [{}]}}"#, #"{"result": {}} {}"#,
        #"{"result": {"events": [{"kv": {"key": "?", "mod_revision": "1"}}]}}"#,
        #"{"result": {"events": [{"kv": {"key": "L2E=", "mod_revision": "9223372036854775808"}}]}}"#,
        #"{"result": {"events": [{"kv": {"key": "L2E=", "mod_revision": "1", "value": 1}}]}}"#,
    ])
    func noWatchMessages(text: String) { #expect(WatchMessage(line: Array(text.utf8)) == nil) }

    @Test(arguments: [
        (#"{"code": 16, "message": "etcdserver: invalid auth token"}"#, EtcdError.Kind.staleToken),
        (#"{"code": 3, "error": "etcdserver: authentication failed, invalid user ID or password"}"#, .notPermitted),
        (#"{"code": 7, "error": "etcdserver: permission denied"}"#, .notPermitted),
        (#"{"code": 11, "error": "etcdserver: mvcc: required revision has been compacted"}"#, .compacted),
        (#"{"code": 11, "error": "etcdserver: mvcc: required revision is a future revision"}"#, .futureRevision),
        (#"{"grpc_code": 14, "message": "etcdserver: no leader"}"#, .unreachable),
        (#"{"code": 3, "message": "etcdserver: request is too large"}"#, .refused), ("{}", .refused),
    ])
    func errors(text: String, kind: EtcdError.Kind) throws {
        let error = try JSONText.decode(GatewayError.self, text).asError
        #expect(error.kind == kind)
        #expect(!error.message.isEmpty && !error.message.hasPrefix("etcdserver"))
    }

    /// The same as Foundation makes of it, for every length that matters and every byte; and what is no base64 is refused.
    @Test func base64() {
        func decode(_ text: String) -> [UInt8]? { Array(text.utf8).withUnsafeBufferPointer { Base64.decode($0) } }
        for count in 0..<260 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ count) }
            #expect(decode(Data(bytes).base64EncodedString()) == bytes)
        }
        for text in ["A", "AA", "AAA", "AA=A", "A===", "====", "AA==AA==", "AA A", "AA\nA", "AA-_", "é==="] {
            #expect(decode(text) == nil, "\(text)")
        }
    }

    @Test func meanings() {
        let layout = KeyLayout(prefix: "/p")
        let name = ServiceName(namespace: "shop", name: "a")
        for (key, meaning) in [
            (layout.service(name), KeyLayout.Meaning.service(name)), (layout.accept, .accept),
            (layout.node("node-a.example.com"), .node("node-a.example.com")),
            (layout.endpoint(name, id: "[fd00::1]:80,x=1"), .endpoint(name, id: "[fd00::1]:80,x=1")),
        ] {
            #expect(layout.meaning(of: Array(key.utf8)) == meaning)
        }
        for key in [
            "/p", "/px", "/p/", "/p/services/a", "/p/services/shop/" + String(repeating: "a", count: 64), "/p/nodes/",
            "/p/nodes/A", "/p/nodes/a/b",
        ] {
            guard case .outside = layout.meaning(of: Array(key.utf8)) else {
                Issue.record("\(key) means something")
                continue
            }
        }
    }

    /// Deletion and acceptance in one window of updates, with something else behind.
    @Test func acceptedEmptiness() {
        let layout = KeyLayout(prefix: "/p")
        var state = StoreState(layout: layout)
        let key = Array(layout.service(ServiceName(namespace: "shop", name: "a")).utf8)
        let now = Timestamp(milliseconds: 1)
        var listing = StoreListing(layout: layout)
        (listing.clusterID, listing.revision) = ("1", 5)
        let value = Array(serviceText.utf8)
        listing.add(key: key, value: value, createRevision: 3, modRevision: 5)
        state.take(listing, now: now)
        #expect(state.update(now: now)?.state == .current)
        state.take(key: key, value: nil, createRevision: 0, modRevision: 7, now: now)
        state.take(key: Array(layout.accept.utf8), value: [], createRevision: 7, modRevision: 7, now: now)
        state.take(key: Array("/p/other".utf8), value: [], createRevision: 9, modRevision: 9, now: now)
        state.reached(9)
        let update = state.update(now: now)
        #expect(update?.state == .current)
        #expect(update?.changes.count == 1)
        #expect(state.history?.keyCount == 2)
        #expect(state.update(now: now) == nil)
    }

    private let serviceText = #"{"name": "shop/a", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80}]}"#
}
