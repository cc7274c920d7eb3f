import EtcdSource
import EtcdTestKit
import ServiceModel
import ServiceSource
import Testing

/// What is wrong in the store concerns nothing else.
@Suite(.timeLimit(.minutes(5)), .enabled(if: EtcdServer.canRun))
struct BadInputTests {
    static let wrong: [(value: String, message: String)] = [
        ("", "expected an object in JSON"),
        ("hello: world", "expected an object in JSON"),
        ("[1]", "expected an object in JSON"),
        ("{", "1:2: "),
        (#"{"name": "shop/a"}"#, "a service needs at least one port"),
        (#"{"name": "shop/a", "clusterIP": 1}"#, "unknown field"),
        (serviceObject("other", 1), #"the name "shop/other" does not match the key, which is of "shop/a""#),
        (serviceObject("a", 1) + serviceObject("a", 1), "expected one object, found more"),
        (serviceObject("a", 1, String(repeating: " ", count: 1 << 20)), "a document may have"),
        (serviceObject("a", 1, #", "endpoints": [{"address": "127.0.0.1"}]"#), "a loopback address"),
    ]

    /// A service that is wrong keeps its last good state, and is left out if it is new; its endpoints go on.
    @Test func wrongServices() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        for name in ["a", "b"] { try await etcd.put(service: name, 1) }
        try await etcd.put("services/shop/new", "{}")
        var listener = Listener(try etcd.source())
        try await listener.wait { $0.numbers == ["a": 1, "b": 1] }
        #expect(listener.last.state == .current)
        #expect(listener.findings.keys.sorted() == ["/svcctl/services/shop/new"])
        for (index, (value, message)) in Self.wrong.enumerated() {
            try await etcd.put("services/shop/a", value)
            try await etcd.put("endpoints/shop/a/x", #"{"address": "10.0.0.\#(index)"}"#)
            try await etcd.put(service: "b", index)
            try await listener.wait("\(message)") {
                $0.numbers == ["a": 1, "b": index] && $0.endpoints("a") == ["10.0.0.\(index)"]
                    && $0.findings["/svcctl/services/shop/a"]?.contains(message) == true
            }
        }
        try await etcd.put("services/shop/new", serviceObject("new", 3))
        try await etcd.put(service: "a", 2)
        try await listener.wait(for: ["a": 2, "b": Self.wrong.count - 1, "new": 3])
        #expect(listener.last.findings.isEmpty)
    }

    /// A wrong endpoint keeps its own last good state.
    @Test func wrongEndpoints() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1, #", "endpoints": [{"address": "10.0.0.1"}]"#)
        try await etcd.put("endpoints/shop/a/good", #"{"address": "10.0.0.2"}"#)
        try await etcd.put("endpoints/shop/a/new", #"{"address": "10.0.0"}"#)
        try await etcd.put("endpoints/shop/a/twice", #"{"address": "10.0.0.1"}"#)
        try await etcd.put("endpoints/shop/a/port", #"{"address": "10.0.0.3", "ports": {"htp": 1}}"#)
        try await etcd.put("endpoints/shop/none/x", #"{"address": "10.0.0.1"}"#)
        var listener = Listener(try etcd.source())
        try await listener.wait { $0.endpoints("a") == ["10.0.0.1", "10.0.0.2"] }
        let documents = ["a/new", "a/port", "a/twice", "none/"].map { "/svcctl/endpoints/shop/\($0)" }
        #expect(listener.findings.keys.sorted() == documents)
        #expect(listener.findings[documents[1]]?.contains(#"did you mean "http"?"#) == true)
        try await etcd.put("endpoints/shop/a/good", #"{"adress": "10.0.0.3"}"#)
        try await listener.wait { $0.findings["/svcctl/endpoints/shop/a/good"] != nil }
        #expect(listener.endpoints("a") == ["10.0.0.1", "10.0.0.2"])
        for id in ["new", "twice", "port", "good"] { try await etcd.delete("endpoints/shop/a/\(id)") }
        try await etcd.delete("endpoints/shop/none/x")
        try await listener.wait { $0.endpoints("a") == ["10.0.0.1"] && $0.last.findings.isEmpty }
    }

    /// A service that changes the name of a port waits for the endpoints that know it by the old name.
    @Test func renamedPort() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        for id in 1...2 {
            try await etcd.put("endpoints/shop/a/\(id)", #"{"address": "10.0.0.\#(id)", "ports": {"http": 81}}"#)
        }
        var listener = Listener(try etcd.source())
        try await listener.wait { $0.endpoints("a") == ["10.0.0.1", "10.0.0.2"] }
        try await etcd.put("services/shop/a", serviceObject("a", 2).replacing("http", with: "web"))
        try await listener.wait { $0.findings["/svcctl/services/shop/a"]?.hasPrefix("held back") == true }
        for id in 1...2 {
            #expect(listener.numbers == ["a": 1])
            try await etcd.put("endpoints/shop/a/\(id)", #"{"address": "10.0.0.\#(id)", "ports": {"web": 82}}"#)
        }
        try await listener.wait(for: ["a": 2])
        #expect(listener.services["a"]?.endpoints.map { $0.ports.map(\.port) } == [[82], [82]])
        #expect(listener.last.findings.isEmpty)
    }

    @Test func keysOutsideOfTheLayout() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let keys = [
            "services/shop", "services/shop/a/b", "services/Shop/a", "services//a", "endpoints/shop/a", "other",
            "endpoints/shop/a/", "accept/x", "services/shop/b%0A".replacing("%0A", with: "\n"), "services/shop/ä",
        ]
        for key in keys { try await etcd.put(key, serviceObject("a", 2)) }
        var listener = Listener(try etcd.source())
        try await listener.wait { $0.numbers == ["a": 1] }
        #expect(listener.last.findings.count == keys.count)
        #expect(listener.findings["/svcctl/services/shop/b%0A"] != nil)
        #expect(listener.findings["/svcctl/services/shop/%C3%A4"] != nil)
        for key in keys { try await etcd.delete(key) }
        try await listener.wait { $0.last.findings.isEmpty }
        // Others' keys are not even looked at.
        try await etcd.write([.put("/svcctl", "x"), .put("/svcctl0", "x"), .put("/svcctlx/services/shop/a", "x")])
        try await etcd.put(service: "a", 3)
        try await listener.wait(for: ["a": 3])
        #expect(listener.last.findings.isEmpty)
    }
}
