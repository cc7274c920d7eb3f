internal import Agent
internal import ArgumentParser
internal import EtcdSource
internal import NFTables
internal import ServiceModel

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write services and nodes to etcd, for the agents of all nodes.",
        discussion: """
            All files are checked together before anything is written: with an error nothing is. What is there under the \
            same names is replaced; all else stays. Up to \(EtcdConnection.largestTransaction) are written in one \
            transaction. Of Node objects it writes what agents look at: the zone, and whether the node is being deleted.
            """)

    @OptionGroup var definitions: DefinitionArguments
    @OptionGroup var etcd: EtcdOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        do {
            let loaded = try definitions.load(output)
            let documents = try loaded.storedDocuments()
            var written = 0
            for start in stride(from: 0, to: documents.count, by: EtcdConnection.largestTransaction) {
                let part = documents[start..<min(start + EtcdConnection.largestTransaction, documents.count)]
                do {
                    try await etcd.ask { connection, layout in
                        try await connection.write(part.map { .put(key: $0.name.key(layout), value: $0.text) })
                    }
                } catch {
                    if written > 0 { printError("svcctl: \(written) of \(documents.count) objects were written") }
                    throw error
                }
                written += part.count
            }
            report(loaded)
        } catch {
            throw fail(error)
        }
    }

    private func report(_ loaded: Definitions) {
        for skipped in loaded.skipped {
            printError("svcctl: \(skipped.name) is not written: \(skipped.reason.rawValue)")
        }
        switch output.output {
        case .text:
            let nodes = loaded.nodes.isEmpty ? "" : " and \(counted(loaded.nodes.count, "node"))"
            printBytes(Array("wrote \(counted(loaded.services.count, "service"))\(nodes)\n".utf8))
        case .json:
            printJSON([
                "written": .array(loaded.services.map { .string($0.name.description) }),
                "nodes": .array(loaded.nodes.map { .string($0.name) }),
            ])
        }
    }
}

/// What a document in etcd is about.
private enum DocumentName {
    case service(ServiceName)
    case node(String)

    func key(_ layout: KeyLayout) -> String {
        switch self {
        case .service(let name): layout.service(name)
        case .node(let name): layout.node(name)
        }
    }
}

extension Definitions {
    /// What etcd is to have of all services and nodes.
    ///
    /// - Throws: ``InvalidDefinitions`` with everything that cannot be there.
    fileprivate func storedDocuments() throws -> [(name: DocumentName, text: [UInt8])] {
        var findings: [Finding] = []
        var documents: [(name: DocumentName, text: [UInt8])] = []
        for service in services {
            do {
                let text = try service.nativeText()
                if let problem = EtcdSource.problem(ofValue: text) {
                    findings.append(Finding(place: Place(input: "service \(service.name)"), message: problem))
                }
                documents.append((.service(service.name), text))
            } catch let error as InvalidDefinitions {
                findings += error.findings
            }
        }
        guard findings.isEmpty else { throw InvalidDefinitions(findings: findings) }
        for node in nodes {
            var text: [UInt8] = []
            node.kubernetesJSON.write(to: &text)
            documents.append((.node(node.name), text))
        }
        return documents
    }
}
