internal import EtcdSource
internal import NFTables
internal import ServiceModel

extension Get {
    /// - Returns: what is wrong with those that are not printed.
    func printNodes() async throws -> [Finding] {
        var findings: [Finding] = []
        var nodes: [ClusterNode] = []
        for entry in try await readNodes() {
            do {
                let input = DefinitionInput(name: entry.key, bytes: entry.value)
                nodes.append(try ClusterNode(decoding: input, named: entry.name))
            } catch {
                findings += error.findings
            }
        }
        switch output.output {
        case .text:
            let rows = nodes.map { [$0.name, $0.zone ?? "-", $0.deletion?.reason ?? "-"] }
            printTable([["NODE", "ZONE", "DELETION"]] + rows)
        case .json: Self.printDefinitions(nodes)
        }
        return findings
    }

    private struct StoredNode {
        var name: String
        var key: String
        var value: [UInt8]
    }

    private func readNodes() async throws -> [StoredNode] {
        let stored = try await etcd.ask { connection, layout in
            try await connection.values(prefix: layout.node("")).compactMap { key, value -> StoredNode? in
                guard case .node(let name) = layout.meaning(of: Array(key.utf8)) else { return nil }
                return StoredNode(name: name, key: key, value: value)
            }
        }
        guard !chosen.names.isEmpty else { return stored }
        let known = Set(stored.map(\.name))
        if let error = MissingFromStore(nodes: chosen.nodeNames.filter { !known.contains($0) }) { throw error }
        let wanted = Set(chosen.nodeNames)
        return stored.filter { wanted.contains($0.name) }
    }

    private static func printDefinitions(_ nodes: [ClusterNode]) {
        let items = Self.lines(of: nodes.map(\.kubernetesJSON))
        printBytes(Array("{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\(items)]}\n".utf8))
    }
}
