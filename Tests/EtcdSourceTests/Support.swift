@testable import EtcdSource
import EtcdTestKit
import Foundation
import NetAddress
import ServiceModel
import ServiceSource
import Testing

/// What a test knows of a source: everything it said, put together.
struct Listener {
    private var iterator: SourceUpdates.AsyncIterator
    /// The services by the last part of their name.
    private(set) var services: [String: Service] = [:]
    private(set) var updates: [SourceUpdate] = []

    init(_ source: EtcdSource) { iterator = source.updates().makeAsyncIterator() }

    var last: SourceUpdate { updates.last ?? SourceUpdate() }
    var problem: SourceProblem? { last.state.problem }
    var findings: [String: String] {
        Dictionary(last.findings.map { ($0.document, $0.message) }) { "\($0); \($1)" }
    }
    /// The last byte of each service's address.
    var numbers: [String: Int] {
        services.mapValues { service in
            service.clusterIPs.first.flatMap { Int($0.description.split(separator: ".").last ?? "") } ?? -1
        }
    }
    func endpoints(_ name: String) -> [String] { services[name]?.endpoints.map(\.address.description) ?? [] }

    /// Takes updates until they say what is awaited; a test's time limit ends it otherwise.
    mutating func wait(
        _ what: String = "", until isAwaited: (Listener) -> Bool, at place: SourceLocation = #_sourceLocation
    ) async throws {
        while !isAwaited(self) {
            guard let update = await iterator.next() else {
                Issue.record("the source ended", sourceLocation: place)
                throw CancellationError()
            }
            updates.append(update)
            for (name, service) in update.changes { services[name.name] = service }
        }
    }

    /// Takes updates until these services are there and nothing is wrong.
    mutating func wait(for numbers: [String: Int]) async throws {
        try await wait { $0.numbers == numbers && $0.last.state == .current }
    }
}

extension EtcdServer {
    func source(_ credentials: EtcdCredentials = EtcdCredentials()) throws -> EtcdSource {
        EtcdSource(try location, credentials: credentials, timing: Self.quick)
    }
}

extension EtcdConnection {
    private struct Compaction: Encodable {
        var revision: WireNumber
        var physical = true
    }

    /// Forgets what was before the present revision.
    func compact() async throws {
        let revision = try await revision(KeyLayout(prefix: "/svcctl"))
        let _: RangeResponse = try await call("/v3/kv/compaction", Compaction(revision: WireNumber(revision)))
    }
}

extension EtcdConnection {
    private struct Status: Decodable {
        struct Header: Decodable { var member_id: String }
        var header: Header
        var leader: String
    }

    func isLeader() async throws -> Bool {
        let status: Status = try await call("/v3/maintenance/status", [String: String]())
        return status.header.member_id == status.leader
    }
}

enum JSONText {
    static func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }
}
