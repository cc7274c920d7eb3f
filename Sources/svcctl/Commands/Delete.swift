internal import Agent
internal import ArgumentParser
internal import EtcdSource
internal import NFTables
internal import ServiceModel

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete services from etcd.",
        discussion: """
            Either all of them are deleted or none. Endpoints that register holds stay, and count again when the service \
            comes back, unless --endpoints is given. An empty store looks like a lost one, and nodes go on with what they \
            had: to delete the last service and mean it takes --accept-empty.
            """)

    @Argument(help: ArgumentHelp("Services.", valueName: "namespace/name"))
    var names: [ServiceNameArgument]
    @Flag(help: "Delete the endpoints too that others have added.")
    var endpoints = false
    @Flag(help: "If no service is left, serve none.")
    var acceptEmpty = false
    @OptionGroup var etcd: EtcdOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        do {
            let names = Set(names.map(\.name)).sorted()
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
                if let error = MissingServices(names.filter { !stored.contains(layout.service($0)) }) { throw error }
                if stored.subtracting(names.map(layout.service)).isEmpty {
                    guard acceptEmpty else {
                        throw RefusedRequest(
                            "no service would be left in etcd, which nodes take for a loss unless --accept-empty is given"
                        )
                    }
                    changes.append(.put(key: layout.accept, value: Array("svcctl delete".utf8)))
                }
                guard changes.count <= EtcdConnection.largestTransaction else {
                    throw RefusedRequest(
                        "\(changes.count) keys are too many for one transaction, which may have "
                            + "\(EtcdConnection.largestTransaction)")
                }
                try await connection.write(changes)
            }
            switch output.output {
            case .text: printBytes(Array("deleted \(counted(names.count, "service"))\n".utf8))
            case .json: printJSON(["deleted": .array(names.map { .string($0.description) })])
            }
        } catch {
            throw fail(error)
        }
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

    func run() async throws {
        do {
            try await etcd.ask { connection, layout in
                try await connection.write([.put(key: layout.accept, value: Array("svcctl accept".utf8))])
            }
        } catch {
            throw fail(error)
        }
    }
}
