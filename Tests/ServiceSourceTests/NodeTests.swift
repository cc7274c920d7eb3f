import ServiceModel
import ServiceSource
import Testing

/// Nodes of the cluster as sources hand them out.
@Suite(.timeLimit(.minutes(1)))
struct NodeTests {
    private static func node(_ name: String, taints: String = "[]") -> String {
        #"{"kind": "Node", "metadata": {"name": "\#(name)"}, "spec": {"taints": \#(taints)}}"#
    }

    /// A node is as its last good document says, and nothing is known of it when the document is gone.
    @Test func filesHaveNodes() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 1]), to: "s.json")
        try folder.write(Self.node("n"), to: "n.json")
        var reader = Reader(FileSource(folder.path))
        try await reader.wait { $0.last.nodes == ["n": ClusterNode(name: "n")] }
        #expect(reader.services.count == 1)
        try folder.replace("n.json", with: Self.node("n", taints: #"[{"key": "ToBeDeletedByClusterAutoscaler"}]"#))
        let tainted = ["n": ClusterNode(name: "n", deletion: .taint)]
        try await reader.wait { $0.last.nodes == tainted }
        #expect(reader.last.changes.isEmpty)
        try folder.replace("n.json", with: Self.node("n", taints: "{}"))
        try await reader.wait { $0.last.findings.contains { $0.message.contains("spec.taints: expected a list") } }
        #expect(reader.last.nodes == tainted)
        try folder.delete("n.json")
        try await reader.wait { $0.last.nodes.isEmpty }
        #expect(reader.last.findings.isEmpty && reader.last.isComplete)
    }

    @Test func theFirstNamedSourceWins() {
        var sources = MergedSources(names: ["one", "two"])
        func receive(_ nodes: ClusterNode..., from source: Int) {
            var update = SourceUpdate(isComplete: true)
            update.nodes = Dictionary(nodes.map { ($0.name, $0) }) { $1 }
            _ = sources.receive(update, from: source)
        }
        receive(ClusterNode(name: "n", zone: "z2"), ClusterNode(name: "m"), from: 1)
        #expect(sources.node(named: "n")?.zone == "z2" && sources.node(named: "m") != nil)
        receive(ClusterNode(name: "n", zone: "z1"), from: 0)
        #expect(sources.node(named: "n")?.zone == "z1" && sources.node(named: "o") == nil)
        receive(from: 0)
        #expect(sources.node(named: "n")?.zone == "z2")
    }
}
