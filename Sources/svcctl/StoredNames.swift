internal import ArgumentParser
internal import NFTables
internal import ServiceModel

/// What a command is about in etcd: services, or nodes.
struct StoredNames: ParsableArguments {
    @Argument(help: ArgumentHelp("Services; with --nodes, names of nodes.", valueName: "namespace/name"))
    var names: [String] = []

    @Flag(help: "Nodes instead of services.")
    var nodes = false

    /// Each service once, in the order of the arguments.
    var services: [ServiceName] {
        var seen: Set<ServiceName> = []
        return names.compactMap(ServiceName.init).filter { seen.insert($0).inserted }
    }

    /// Each node once, in the order of the arguments.
    var nodeNames: [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }

    func validate() throws {
        let wrong = names.filter { nodes ? !ClusterNode.isName(Array($0.utf8)[...]) : ServiceName($0) == nil }
        guard wrong.isEmpty else {
            let kind = nodes ? "name of a node" : "name of a service, NAMESPACE/NAME"
            throw ValidationError(wrong.map { "\"\($0)\" is no \(kind)" }.joined(separator: "; "))
        }
    }
}

/// `NAMESPACE/NAME`, or `NAME` in the namespace `default`.
struct ServiceNameArgument: ExpressibleByArgument {
    let name: ServiceName

    init?(argument: String) {
        guard let name = ServiceName(argument) else { return nil }
        self.name = name
    }
}

/// What was asked for and is not in the store.
struct MissingFromStore: Error {
    /// `service shop/web`.
    let names: [String]

    init?(services: [ServiceName]) { self.init(services.map { "service \($0)" }) }

    init?(nodes: [String]) { self.init(nodes.map { "node \($0)" }) }

    private init?(_ names: [String]) {
        guard !names.isEmpty else { return nil }
        self.names = names
    }
}
