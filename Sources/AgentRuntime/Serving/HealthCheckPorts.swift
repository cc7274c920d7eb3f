internal import ServiceModel
internal import Logging
internal import Agent
internal import AgentHTTP
internal import NFTables
internal import NetAddress
internal import Synchronization

/// Listens on the health-check node ports that services ask for, and answers for them (semantics 48).
///
/// A port is opened when the first service wants it and closed when none does. Which service it answers for is looked up
/// with each request, so that it may pass from one to another without being closed.
actor HealthCheckPorts {
    private let reporter: Reporter
    /// Where node ports are served; nil is every address but loopback.
    private let nodePortAddresses: [CIDR]?
    private var servers: [UInt16: HTTPServer] = [:]
    /// Why a port could not be opened, as it was told last.
    private var failures: [UInt16: String] = [:]

    init(reporter: Reporter, nodePortAddresses: [CIDR]?) {
        self.reporter = reporter
        self.nodePortAddresses = nodePortAddresses
    }

    /// Opens and closes what is needed for these ports. Call it again from time to time: a port that another program had is
    /// free some day.
    func listen(on ports: Set<UInt16>) async {
        failures = failures.filter { ports.contains($0.key) }
        for (port, server) in servers where !ports.contains(port) {
            servers[port] = nil
            await server.stop()
        }
        for port in ports.sorted() where servers[port] == nil {
            do {
                servers[port] = try await open(port)
                guard failures.removeValue(forKey: port) != nil else { continue }
                reporter.say(.mended, "health-check node port \(port) is open now")
            } catch {
                let problem = "health-check node port \(port): \(error)"
                guard failures.updateValue(problem, forKey: port) != problem else { continue }
                reporter.say(.failed, problem, .error)
            }
        }
    }

    /// On all addresses, since they come and go; who asks at another is turned away. Without IPv6 on IPv4 alone.
    private func open(_ port: UInt16) async throws -> HTTPServer {
        let (reporter, blocks) = (reporter, nodePortAddresses)
        let handler: HTTPServer.Handler = { request in
            guard Self.serves(request.localAddress, blocks) else { return .notFound }
            return Self.answer(port, reporter)
        }
        do {
            return try await HTTPServer.start(on: .tcp("::", port), handler: handler)
        } catch {
            return try await HTTPServer.start(on: .tcp("0.0.0.0", port), handler: handler)
        }
    }

    static func serves(_ text: String?, _ blocks: [CIDR]?) -> Bool {
        // An IPv4 address that reached an IPv6 socket (RFC 4291 section 2.5.5.2).
        guard let text, let address = IPAddress(text.hasPrefix("::ffff:") ? String(text.dropFirst(7)) : text) else {
            return false
        }
        // No block opens loopback, as for node ports.
        guard !address.isLoopback else { return false }
        return blocks?.contains { $0.contains(address) } ?? true
    }

    static func answer(_ port: UInt16, _ reporter: Reporter) -> HTTPReply {
        let (check, isHealthy) = reporter.read { ($0.healthChecks[port], $0.isHealthy() && $0.readySince != nil) }
        guard let check else { return .notFound }
        return HTTPReply(
            check.localEndpoints > 0 && isHealthy ? 200 : 503,
            json: [
                "service": [
                    "namespace": .string(check.service.namespace), "name": .string(check.service.name),
                ],
                "localEndpoints": .number(check.localEndpoints), "serviceProxyHealthy": .bool(isHealthy),
            ], headers: ["X-Load-Balancing-Endpoint-Weight": String(check.localEndpoints)])
    }
}

extension IPAddress {
    /// 127.0.0.0/8 or ::1.
    fileprivate var isLoopback: Bool {
        family == .ipv4 ? low >> 24 & 0xff == 127 : high == 0 && low == 1
    }
}
