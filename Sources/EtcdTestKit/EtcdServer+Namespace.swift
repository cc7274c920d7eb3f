internal import DataplaneTestKit
internal import EtcdSource
internal import Foundation

// The client's threads live where the tests run, so what is to reach an etcd elsewhere is sent by curl.

extension EtcdServer {
    /// Sends one request of the JSON gateway from within the namespace, for example to `/v3/auth/enable`.
    ///
    /// - Throws: ``Failed`` if etcd does not take it.
    @discardableResult
    package func call(_ path: String, _ request: [String: Any] = [:]) throws -> String {
        let body = String(decoding: try JSONSerialization.data(withJSONObject: request), as: UTF8.self)
        let command = ["curl", "--silent", "--show-error", "--fail-with-body", "--data-binary", "@-", url + path]
        guard let result = try namespace?.toolResult(command, input: body) else {
            throw Failed(description: "this etcd is in no namespace")
        }
        guard result.status == 0 else { throw Failed(description: "\(path): \(result.output)\(result.errors)") }
        return result.output
    }

    func writeInside(_ changes: [EtcdChange]) throws {
        func encode(_ bytes: some Sequence<UInt8>) -> String { Data(bytes).base64EncodedString() }
        let operations = changes.map { change -> [String: Any] in
            switch change {
            case .put(let key, let value, _):
                ["request_put": ["key": encode(key.utf8), "value": encode(value)]]
            case .delete(let key): ["request_delete_range": ["key": encode(key.utf8)]]
            }
        }
        try call("/v3/kv/txn", ["success": operations])
    }

    /// From now on only users may do anything: `root` and `agent`, both with the password `secret`.
    package func enableUsersInside() throws {
        for user in ["root", "agent"] {
            try call("/v3/auth/user/add", ["name": user, "password": "secret"])
            try call("/v3/auth/user/grant", ["user": user, "role": "root"])
        }
        try call("/v3/auth/enable")
    }
}
