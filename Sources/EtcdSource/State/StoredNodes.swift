internal import ServiceModel
internal import ServiceSource

/// The nodes that a store has, and the last state of each that was good.
struct StoredNodes {
    let layout: KeyLayout
    private var documents: [String: StoredDocument] = [:]
    /// Nodes whose document may differ from what is handed out.
    private var dirty: Set<String> = []
    /// What is handed out.
    private(set) var good: [String: ClusterNode] = [:]

    init(layout: KeyLayout) { self.layout = layout }

    /// Takes the document of one node, nil if it is gone.
    mutating func replace(_ name: String, with document: StoredDocument?) {
        guard documents[name] != document else { return }
        documents[name] = document
        dirty.insert(name)
    }

    /// Takes the documents of all nodes.
    mutating func replaceAll(with new: [String: StoredDocument]) {
        for name in documents.keys where new[name] == nil { replace(name, with: nil) }
        for (name, document) in new { replace(name, with: document) }
    }

    /// Takes of the store's documents what is good.
    mutating func settle(_ findings: inout FindingBoard, now: Timestamp) {
        for name in dirty {
            let problems = settle(name)
            findings.set(problems.map { (.error, $0) }, for: layout.node(name), now: now)
        }
        dirty = []
    }

    /// - Returns: what is wrong with the node's document.
    private mutating func settle(_ name: String) -> [String] {
        guard let document = documents[name] else {
            good[name] = nil
            return []
        }
        if let problem = document.problem { return [problem] }
        do {
            let input = DefinitionInput(name: layout.node(name), bytes: document.bytes)
            let node = try ClusterNode(decoding: input, named: name)
            // Most changes of a Node object are heartbeats, and concern nobody here.
            if good[name] != node { good[name] = node }
            return []
        } catch {
            return error.findings.map(\.messageWithinDocument)
        }
    }
}
