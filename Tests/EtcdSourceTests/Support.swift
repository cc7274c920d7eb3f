@testable import EtcdSource
import Foundation
import Logging
import NetAddress
import ServiceModel
import ServiceSource
import Testing

/// The value of a service's key, by the last part of its name and of its address.
func serviceObject(_ name: String, _ number: Int, _ more: String = "") -> String {
    #"{"name": "shop/\#(name)", "clusterIPs": ["10.96.\#(number / 256).\#(number % 256)"], "#
        + #""ports": [{"name": "http", "port": 80}]\#(more)}"#
}

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
    static let quick: EtcdTiming = {
        var timing = EtcdTiming()
        timing.request = .seconds(1)
        timing.silence = .milliseconds(500)
        timing.firstPause = .milliseconds(20)
        timing.longestPause = .milliseconds(200)
        return timing
    }()

    func source(_ credentials: EtcdCredentials = EtcdCredentials()) throws -> EtcdSource {
        EtcdSource(try location, credentials: credentials, timing: Self.quick)
    }

    /// Sends changes, 128 in each transaction.
    func write(_ changes: [EtcdChange], _ credentials: EtcdCredentials = EtcdCredentials()) async throws {
        try await with(credentials) { connection in
            for start in stride(from: 0, to: changes.count, by: 128) {
                try await connection.write(Array(changes[start..<min(start + 128, changes.count)]))
            }
        }
    }

    func with<Output>(
        _ credentials: EtcdCredentials = EtcdCredentials(), _ body: (EtcdConnection) async throws -> Output
    ) async throws -> Output {
        let connection = try EtcdConnection(url, credentials, Self.quick)
        do {
            let output = try await body(connection)
            await connection.close()
            return output
        } catch {
            await connection.close()
            throw error
        }
    }

    func put(_ key: String, _ value: String) async throws { try await write([.put("/svcctl/" + key, value)]) }
    func put(service name: String, _ number: Int, _ more: String = "") async throws {
        try await put("services/shop/\(name)", serviceObject(name, number, more))
    }
    func delete(_ key: String) async throws { try await write([.delete(key: "/svcctl/" + key)]) }
}

extension EtcdChange {
    static func put(_ key: String, _ value: String) -> EtcdChange { .put(key: key, value: Array(value.utf8)) }
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

let debugLogger: Logger = {
    var l = Logger(label: "x", factory: { StreamLogHandler.standardError(label: $0) }); l.logLevel = .trace; return l
}()

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
