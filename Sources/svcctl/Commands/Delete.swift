internal import Agent
internal import ArgumentParser
internal import EtcdSource
internal import NFTables
internal import ServiceModel

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete services, or nodes, from etcd.",
        discussion: """
            Either all of them are deleted or none. Endpoints that register holds stay, and count again when the service \
            comes back, unless --endpoints is given. An empty store looks like a lost one, and nodes go on with what they \
            had: to delete the last service and mean it takes --accept-empty.
            """)

    @OptionGroup var chosen: StoredNames
    @Flag(help: "Delete the endpoints too that others have added.")
    var endpoints = false
    @Flag(help: "If no service is left, serve none.")
    var acceptEmpty = false
    @OptionGroup var etcd: EtcdOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard !chosen.names.isEmpty else {
            throw ValidationError(chosen.nodes ? "name at least one node" : "name at least one service, namespace/name")
        }
        guard !chosen.nodes || !endpoints && !acceptEmpty else {
            throw ValidationError("--endpoints and --accept-empty are about services, and do not go with --nodes")
        }
    }

    func run() async throws {
        do {
            let deleted = try await chosen.nodes ? deleteNodes() : deleteServices()
            switch output.output {
            case .text:
                let what = counted(deleted.count, chosen.nodes ? "node" : "service")
                printBytes(Array("deleted \(what)\n".utf8))
            case .json: printJSON(["deleted": .array(deleted.map { .string($0) })])
            }
        } catch {
            throw fail(error)
        }
    }

    private func deleteServices() async throws -> [String] {
        let names = chosen.services.sorted()
        try await etcd.ask { connection, layout in
            var changes: [EtcdChange] = []
            for name in names {
                changes.append(.delete(key: layout.service(name)))
                guard endpoints else { continue }
                for (key, _) in try await connection.values(prefix: layout.endpoints(name)) {
                    changes.append(.delete(key: key))
                }
            }
            let stored = Set(try await connection.keys(prefix: layout.prefix + "/services/"))
            let missing = names.filter { !stored.contains(layout.service($0)) }
            if let error = MissingFromStore(services: missing) { throw error }
            if stored.subtracting(names.map(layout.service)).isEmpty {
                guard acceptEmpty else {
                    throw RefusedRequest(
                        "no service would be left in etcd, which nodes take for a loss unless --accept-empty is given"
                    )
                }
                changes.append(.put(key: layout.accept, value: Array("svcctl delete".utf8)))
            }
            try await Self.write(changes, connection)
        }
        return names.map(\.description)
    }

    private func deleteNodes() async throws -> [String] {
        let names = chosen.nodeNames.sorted()
        try await etcd.ask { connection, layout in
            let stored = Set(try await connection.keys(prefix: layout.node("")))
            if let error = MissingFromStore(nodes: names.filter { !stored.contains(layout.node($0)) }) { throw error }
            try await Self.write(names.map { .delete(key: layout.node($0)) }, connection)
        }
        return names
    }

    private static func write(_ changes: [EtcdChange], _ connection: EtcdConnection) async throws {
        guard changes.count <= EtcdConnection.largestTransaction else {
            throw RefusedRequest(
                "\(changes.count) keys are too many for one transaction, which may have "
                    + "\(EtcdConnection.largestTransaction)")
        }
        try await connection.write(changes)
    }
}

struct Accept: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell the nodes that what is in etcd now is right, after data were lost.",
        discussion: """
            When etcd has lost data, or was restored, or has no service any more, the nodes go on with what they had and \
            raise an alarm. This ends it: what is not in etcd is not served any more.
            """)

    @OptionGroup var etcd: EtcdOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        do {
            try await etcd.ask { connection, layout in
                try await connection.write([.put(key: layout.accept, value: Array("svcctl accept".utf8))])
            }
        } catch {
            throw fail(error)
        }
        if output.output == .json { printJSON(["accepted": .bool(true)]) }
    }
}
