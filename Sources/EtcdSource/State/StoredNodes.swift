internal import ServiceModel
internal import ServiceSource

/// The nodes that a store has, and the last state of each that was good.
///
/// There may be thousands, with kilobytes each, of which little matters here: documents are forgotten once they were looked
/// at.
struct StoredNodes {
    let layout: KeyLayout
    /// What was made of the documents that the store has.
    private var digests: [String: Int] = [:]
    /// Documents that were not looked at yet; nil for nodes that are gone.
    private var new: [String: StoredDocument?] = [:]
    /// What is handed out.
    private(set) var good: [String: ClusterNode] = [:]

    init(layout: KeyLayout) { self.layout = layout }

    /// Takes the document of one node, nil if it is gone.
    mutating func replace(_ name: String, with document: StoredDocument?) {
        // The seed of a hash is another one in each process, so that nobody can make two documents that are taken for one.
        let digest = document?.hashValue
        guard digests[name] != digest else { return }
        digests[name] = digest
        new[name] = .some(document)
    }

    /// Takes the documents of all nodes.
    mutating func replaceAll(with all: [String: StoredDocument]) {
        for name in digests.keys where all[name] == nil { replace(name, with: nil) }
        for (name, document) in all { replace(name, with: document) }
    }

    /// Takes of the store's documents what is good.
    mutating func settle(_ findings: inout FindingBoard, now: Timestamp) {
        for (name, document) in new {
            let problems = settle(name, document)
            findings.set(problems.map { (.error, $0) }, for: layout.node(name), now: now)
        }
        new = [:]
    }

    /// - Returns: what is wrong with the node's document.
    private mutating func settle(_ name: String, _ document: StoredDocument?) -> [String] {
        guard let document else {
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
