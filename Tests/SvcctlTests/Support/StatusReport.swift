import DataplaneTestKit
import Foundation

/// What `svcctl status -o json` prints. Decoding fails if a field is missing.
struct StatusReport: Decodable, Sendable {
    struct Frontend: Decodable, Sendable {
        struct Endpoint: Decodable, Sendable {
            var address: String
            var port: Int
        }

        var service, kind, family: String
        var address: String?
        var `protocol`: String
        var port: Int
        var state: String
        var connections: Int
        var endpoints: [Endpoint]

        /// `cluster IP 10.96.0.10:80/TCP serving 10.244.1.2:8080 10.244.1.3:8080`
        var line: String {
            let place = "\(kind) \(address ?? "*"):\(port)/\(`protocol`) \(state)"
            return ([place] + endpoints.map { "\($0.address):\($0.port)" }).joined(separator: " ")
        }
    }

    var backend: String?
    var frontends: [Frontend]

    /// Asks the kernel of a namespace.
    init(of namespace: NetworkNamespace) throws {
        let result = try namespace.svcctl("status", "--output", "json")
        guard result.status == 0, result.errors.isEmpty else {
            throw ProgramFailure(command: ["svcctl", "status"], result: result)
        }
        self = try JSONDecoder().decode(Self.self, from: Data(result.output.utf8))
    }

    /// The frontends of a service, `namespace/name`, sorted.
    func lines(of service: String) -> [String] {
        frontends.filter { $0.service == service || $0.service.hasPrefix(service + ":") }.map(\.line).sorted()
    }

    /// New connections to an address and port.
    func connections(_ address: String?, _ port: Int, _ transport: String = "TCP") -> Int? {
        frontends.first { $0.address == address && $0.port == port && $0.protocol == transport }?.connections
    }
}
