import ServiceModel
import Testing

/// `Node` objects: semantics 49, and the zone.
@Suite struct KubernetesNodeTests {
    private static func node(_ name: String = "node-a", _ metadata: String = "", spec: String = "{}") -> String {
        #"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "\#(name)"\#(metadata)}, "spec": \#(spec)}"#
    }

    private static let taint = #"{"taints": [{"key": "x", "effect": "NoSchedule"}, {"key": "\#(key)", "value": "1"}]}"#
    private static let key = "ToBeDeletedByClusterAutoscaler"

    @Test func readsWhatMatters() throws {
        let labels = #", "labels": {"topology.kubernetes.io/zone": "z1", "kubernetes.io/os": "linux"}"#
        let definitions = try decode(
            #"{"kind": "List", "apiVersion": "v1", "items": [\#(Self.node("b", labels)), \#(Self.node("a.example.com"))]}"#,
            #"{"kind": "NodeList", "apiVersion": "v1", "items": [{"metadata": {"name": "c"}, "spec": \#(Self.taint)}]}"#,
            Self.node("d", #", "deletionTimestamp": "2026-01-31T12:00:00Z""#),
            "kind: Node\nmetadata: {name: e, deletionTimestamp: null, labels: {topology.kubernetes.io/zone: ''}}\n")
        #expect(
            definitions.nodes == [
                ClusterNode(name: "a.example.com"), ClusterNode(name: "b", zone: "z1"),
                ClusterNode(name: "c", deletion: .taint),
                ClusterNode(name: "d", deletion: .timestamp("2026-01-31T12:00:00Z")), ClusterNode(name: "e"),
            ])
        #expect(definitions.services.isEmpty && definitions.warnings.isEmpty)
    }

    @Test(arguments: [
        (#"{"kind": "Node"}"#, "a:1:1: error: a Node needs metadata"),
        (#"{"kind": "Node", "metadata": {}}"#, "a:1:30: error: metadata: a Node needs a name"),
        (#"{"kind": "Node", "metadata": []}"#, "a:1:30: error: metadata: expected an object, found a list"),
        (
            node("Node A"),
            #"a:1:59: error: metadata.name: the node name "Node A" is not a DNS name (a-z, 0-9, '-' and '.')"#
        ),
        (
            node("a", #", "deletionTimestamp": "soon""#),
            #"metadata.deletionTimestamp: "soon" is not a time such as 2026-01-31T12:00:00Z"#
        ),
        (
            node("a", #", "labels": {"topology.kubernetes.io/zone": "z 1"}"#),
            #"metadata.labels["topology.kubernetes.io/zone"]: the zone "z 1" is not at most 63 letters"#
        ),
        (node("a", #", "labels": ["zone"]"#), "metadata.labels: expected an object, found a list"),
        (node(spec: "[]"), "spec: expected an object, found a list"),
        (node(spec: #"{"taints": {}}"#), "spec.taints: expected a list, found an object"),
        (node(spec: #"{"taints": ["\#(key)"]}"#), "spec.taints[0]: expected an object, found"),
        (node(spec: #"{"taints": [{"effect": "NoExecute"}]}"#), "spec.taints[0]: a taint needs a key"),
        (node(spec: #"{"taints": [{"key": 1}]}"#), "spec.taints[0].key: expected a string, found the number 1"),
    ])
    func namesWhatIsWrong(text: String, complaint: String) {
        let found = complaints(text)
        #expect(found.count == 1 && found.first?.contains(complaint) == true, "\(found)")
    }

    @Test func eachNodeStandsOnce() {
        #expect(
            complaints(Self.node(), Self.node()) == [
                #"b:1:59: error: metadata.name: the node "node-a" is defined twice; see a:1:1"#
            ])
    }

    /// A document of its own is held against the name that it stands under.
    @Test func storedNodes() throws {
        func stored(_ text: String) throws -> ClusterNode {
            try ClusterNode(decoding: DefinitionInput(name: "k", bytes: Array(text.utf8)), named: "node-a")
        }
        #expect(try stored(Self.node(spec: Self.taint)) == ClusterNode(name: "node-a", deletion: .taint))
        for (text, complaint) in [
            ("", "expected an object in JSON"), ("kind: Node", "expected an object in JSON"),
            (Self.node() + Self.node(), "expected one object, found more"), ("{", "k:1:2"),
            (#"{"metadata": {"name": "node-a"}}"#, #"expected a Kubernetes object of the kind "Node""#),
            (#"{"kind": "Service"}"#, #"kind: expected "Node", found "Service""#),
            (#"{"kind": "Node", "apiVersion": "v2", "metadata": {"name": "node-a"}}"#, #"expected "v1", found "v2""#),
            (Self.node("b"), #"the name "b" does not match the key, which is of "node-a""#),
            (Self.node(spec: #"{"taints": 1}"#), "spec.taints: expected a list"),
        ] {
            let error = #expect(throws: InvalidDefinitions.self) { try stored(text) }
            let found = error?.findings.map(\.description) ?? []
            #expect(found.contains { $0.contains(complaint) }, "\(text): \(found)")
        }
    }
}
