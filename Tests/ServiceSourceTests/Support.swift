import Foundation
import NetAddress
import ServiceModel
import ServiceSource

/// A directory for one test; it goes with the object.
final class Folder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("svcctl-\(UUID().uuidString)").path
        try make()
    }

    deinit { remove() }

    func make() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    subscript(name: String) -> String { "\(path)/\(name)" }

    /// Writes in place, as `echo >` does.
    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: self[name]))
    }

    /// Writes beside and renames, as careful programs do.
    func replace(_ name: String, with text: String) throws {
        try write(text, to: ".\(name).new")
        guard rename(self[".\(name).new"], self[name]) == 0 else { throw POSIXError(.EIO) }
    }

    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: self[name], withDestinationPath: target)
    }

    func delete(_ name: String) throws { try FileManager.default.removeItem(atPath: self[name]) }
}

/// A native document of services, given by name and the last part of their address.
func document(_ services: [String: Int]) -> String {
    let services = services.sorted { $0.key < $1.key }.map { name, number in
        #"{"name": "shop/\#(name)", "clusterIPs": ["10.96.0.\#(number)"], "ports": [{"port": 80}]}"#
    }
    return #"{"services": [\#(services.joined(separator: ", "))]}"#
}

/// A service as ``document(_:)`` has it.
func service(_ name: String, _ number: Int) -> Service {
    var service = Service(name: ServiceName(namespace: "shop", name: name))
    service.clusterIPs = [IPAddress(ipv4: 10 << 24 | 96 << 16 | UInt32(number))]
    service.ports = [ServicePort(name: "", port: 80)]
    return service
}

/// What a source has said up to now, put together.
struct Reader {
    private var iterator: SourceUpdates.AsyncIterator
    private(set) var services: [String: String] = [:]
    private(set) var updates: [SourceUpdate] = []

    init(_ source: some DefinitionSource) { iterator = source.updates().makeAsyncIterator() }

    var last: SourceUpdate { updates.last ?? SourceUpdate() }

    struct Ended: Error {}

    /// Takes the next update.
    mutating func next() async throws {
        guard let update = await iterator.next() else { throw Ended() }
        updates.append(update)
        for (name, service) in update.changes {
            services[name.name] = service.map { $0.clusterIPs.map(\.description).joined(separator: ",") }
        }
    }

    /// Takes updates until they say what is awaited; a test's time limit ends it otherwise.
    mutating func wait(until isAwaited: (Reader) -> Bool) async throws {
        while !isAwaited(self) { try await next() }
    }

    /// Takes updates until the services are these, given by name and the last part of their address.
    mutating func wait(for expected: [String: Int]) async throws {
        let expected = expected.mapValues { "10.96.0.\($0)" }
        try await wait { $0.services == expected && $0.last.isComplete }
    }
}

extension SourceState {
    var isCurrent: Bool { self == .current }

    var staleKind: SourceProblem.Kind? {
        if case .stale(let problem) = self { problem.kind } else { nil }
    }

    var loadingKind: SourceProblem.Kind? {
        if case .loading(let problem) = self { problem?.kind } else { nil }
    }
}
