package import EtcdSource
internal import Foundation

extension EtcdConnection {
    private struct Done: Decodable {}
    private struct Permission: Encodable {
        struct Range: Encodable {
            var permType = "READWRITE"
            var key = Data("/svcctl/".utf8)
            var range_end = Data("/svcctl0".utf8)
        }
        var name = "svcctl"
        var perm = Range()
    }

    /// From now on only users may do anything: `root`, and `agent` with the password `secret`, who may use the prefix.
    package func enableUsers() async throws {
        try await change("user/add", ["name": "root", "password": "root"])
        try await change("user/grant", ["user": "root", "role": "root"])
        try await change("user/add", ["name": "agent", "password": "secret"])
        try await change("role/add", ["name": "svcctl"])
        try await change("role/grant", Permission())
        try await change("user/grant", ["user": "agent", "role": "svcctl"])
        try await change("enable", [String: String]())
    }

    private func change(_ path: String, _ request: some Encodable & Sendable) async throws {
        _ = try await call("/v3/auth/" + path, request, as: Done.self)
    }
}
