internal import Agent
internal import ArgumentParser
internal import EtcdSource
internal import NFTables
internal import ServiceModel

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write services to etcd, for the agents of all nodes.",
        discussion: """
            All files are checked together before anything is written: with an error nothing is. What is there under the \
            same names is replaced; other services stay. Up to \(EtcdConnection.largestTransaction) services are written \
            in one transaction.
            """)

    @OptionGroup var definitions: DefinitionArguments
    @OptionGroup var etcd: EtcdOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        do {
            let loaded = try definitions.load()
            let texts = try loaded.storedTexts()
            var written = 0
            for start in stride(from: 0, to: texts.count, by: EtcdConnection.largestTransaction) {
                let part = texts[start..<min(start + EtcdConnection.largestTransaction, texts.count)]
                do {
                    try await etcd.ask { connection, layout in
                        try await connection.write(part.map { .put(key: layout.service($0.name), value: $0.text) })
                    }
                } catch {
                    if written > 0 { printError("svcctl: \(written) of \(texts.count) services were written") }
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
        for node in loaded.nodes {
            printError("svcctl: the node \(node.name) is not written: only services are")
        }
        switch output.output {
        case .text: printBytes(Array("wrote \(counted(loaded.services.count, "service"))\n".utf8))
        case .json: printJSON(["written": .array(loaded.services.map { .string($0.name.description) })])
        }
    }
}

extension Definitions {
    /// What etcd is to have of all services.
    ///
    /// - Throws: ``InvalidDefinitions`` with everything that cannot be there.
    fileprivate func storedTexts() throws -> [(name: ServiceName, text: [UInt8])] {
        var findings: [Finding] = []
        var texts: [(name: ServiceName, text: [UInt8])] = []
        for service in services {
            do {
                let text = try service.nativeText()
                if let problem = EtcdSource.problem(ofValue: text) {
                    findings.append(Finding(place: Place(input: "service \(service.name)"), message: problem))
                }
                texts.append((service.name, text))
            } catch let error as InvalidDefinitions {
                findings += error.findings
            }
        }
        guard findings.isEmpty else { throw InvalidDefinitions(findings: findings) }
        return texts
    }
}
