internal import ArgumentParser
internal import EtcdSource
internal import NFTables
internal import NetAddress
internal import ServiceModel

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the services, or nodes, in etcd.",
        discussion: """
            With -o json what is printed is a definition that put takes. Endpoints that register holds are counted in the \
            table, and are no part of the definition. Without names all are printed.
            """)

    @OptionGroup var chosen: StoredNames
    @OptionGroup var etcd: EtcdOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        do {
            let findings = try await chosen.nodes ? printNodes() : printServices()
            guard findings.isEmpty else {
                for finding in findings { printError(finding.description) }
                throw ExitCode.invalidDefinitions
            }
        } catch {
            throw fail(error)
        }
    }

    /// - Returns: what is wrong with those that are not printed.
    private func printServices() async throws -> [Finding] {
        var findings: [Finding] = []
        var services: [(service: Service, added: Int)] = []
        for entry in try await readServices() {
            do {
                let input = DefinitionInput(name: entry.key, bytes: entry.value)
                services.append((try StoredService(decoding: input, named: entry.name).service, entry.added))
            } catch {
                findings += error.findings
            }
        }
        switch output.output {
        case .text: Self.printText(services)
        case .json: Self.printDefinitions(services.map(\.service))
        }
        return findings
    }

    private struct Stored {
        var name: ServiceName
        var key: String
        var value: [UInt8]
        /// How many endpoints others have added.
        var added = 0
    }

    private func readServices() async throws -> [Stored] {
        let names = chosen.services
        let (stored, missing) = try await etcd.ask { connection, layout in
            var (stored, missing): ([Stored], [ServiceName]) = ([], [])
            if names.isEmpty {
                for (key, value) in try await connection.values(prefix: layout.prefix + "/services/") {
                    guard case .service(let name) = layout.meaning(of: Array(key.utf8)) else { continue }
                    stored.append(Stored(name: name, key: key, value: value))
                }
            }
            for name in names {
                let key = layout.service(name)
                guard let value = try await connection.value(key) else {
                    missing.append(name)
                    continue
                }
                stored.append(Stored(name: name, key: key, value: value))
            }
            try await Self.count(&stored, connection, layout, areAll: names.isEmpty)
            return (stored, missing)
        }
        if let error = MissingFromStore(services: missing) { throw error }
        return stored.sorted { $0.name < $1.name }
    }

    private static func count(
        _ stored: inout [Stored], _ connection: EtcdConnection, _ layout: KeyLayout, areAll: Bool
    ) async throws {
        var counts: [ServiceName: Int] = [:]
        let prefixes = areAll ? [layout.prefix + "/endpoints/"] : stored.map { layout.endpoints($0.name) }
        for prefix in prefixes {
            for (key, _) in try await connection.values(prefix: prefix) {
                if case .endpoint(let name, _) = layout.meaning(of: Array(key.utf8)) { counts[name, default: 0] += 1 }
            }
        }
        for index in stored.indices { stored[index].added = counts[stored[index].name] ?? 0 }
    }

    private static func printText(_ services: [(service: Service, added: Int)]) {
        let rows = services.map { service, added in
            let addresses = service.clusterIPs + service.externalIPs + service.loadBalancerIPs
            let ports = service.ports.map { port in
                "\(port.port)" + (port.nodePort.map { ":\($0)" } ?? "") + "/\(port.transport.kubernetesName)"
            }
            return [
                service.name.description, addresses.map(\.description).joined(separator: ","),
                ports.joined(separator: ","), "\(service.endpoints.count)", "\(added)",
            ].map { $0.isEmpty ? "-" : $0 }
        }
        printTable([["SERVICE", "ADDRESSES", "PORTS", "ENDPOINTS", "REGISTERED"]] + rows)
    }

    private static func printDefinitions(_ services: [Service]) {
        printBytes(Array("{\"services\": [\(lines(of: services.map(\.nativeJSON)))]}\n".utf8))
    }

    /// The elements of a list, one a line, so that two outputs can be compared.
    static func lines(of elements: [JSON]) -> String {
        elements.isEmpty ? "" : "\n" + elements.map { "  \($0)" }.joined(separator: ",\n") + "\n"
    }
}
