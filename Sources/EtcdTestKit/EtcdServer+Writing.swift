package import EtcdSource

/// The value of a service's key, by the last part of its name and of its address.
package func serviceObject(_ name: String, _ number: Int, _ more: String = "") -> String {
    #"{"name": "shop/\#(name)", "clusterIPs": ["10.96.\#(number / 256).\#(number % 256)"], "#
        + #""ports": [{"name": "http", "port": 80}]\#(more)}"#
}

extension EtcdServer {
    package static let quick: EtcdTiming = {
        var timing = EtcdTiming()
        timing.request = .seconds(1)
        timing.silence = .milliseconds(500)
        timing.firstPause = .milliseconds(20)
        timing.longestPause = .milliseconds(200)
        timing.gap = .milliseconds(10)
        return timing
    }()

    /// Sends changes, 128 in each transaction.
    package func write(_ changes: [EtcdChange], _ credentials: EtcdCredentials = EtcdCredentials()) async throws {
        if namespace != nil { return try writeInside(changes) }
        try await with(credentials) { connection in
            for start in stride(from: 0, to: changes.count, by: 128) {
                try await connection.write(Array(changes[start..<min(start + 128, changes.count)]))
            }
        }
    }

    package func with<Output>(
        _ credentials: EtcdCredentials = EtcdCredentials(), _ body: (EtcdConnection) async throws -> Output
    ) async throws -> Output {
        let connection = try EtcdConnection(url, credentials, EtcdTiming())
        do {
            let output = try await body(connection)
            await connection.close()
            return output
        } catch {
            await connection.close()
            throw error
        }
    }

    package func put(_ key: String, _ value: String) async throws { try await write([.put("/svcctl/" + key, value)]) }
    package func put(service name: String, _ number: Int, _ more: String = "") async throws {
        try await put("services/shop/\(name)", serviceObject(name, number, more))
    }
    package func delete(_ key: String) async throws { try await write([.delete(key: "/svcctl/" + key)]) }
}

extension EtcdChange {
    package static func put(_ key: String, _ value: String) -> EtcdChange { .put(key: key, value: Array(value.utf8)) }
}
