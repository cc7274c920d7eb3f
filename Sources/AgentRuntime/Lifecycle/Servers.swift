internal import Agent
internal import AgentHTTP
internal import Glibc

/// The sockets on which the agent answers. They outlive a change of the configuration that does not concern them.
actor Servers {
    private struct Open {
        var address: HTTPServer.Address
        var server: HTTPServer
        var handler: HTTPServer.Handler
    }

    private enum Role: CaseIterable {
        case metrics, health, control

        /// Metrics of thousands of services take megabytes, for as long as a client takes to read them, and a thread while they
        /// are made.
        var mostAnswers: Int { self == .metrics ? MetricsEndpoint.mostAnswers : .max }
    }

    private var servers: [Role: Open] = [:]

    /// Opens what is not open, and moves what is to be elsewhere.
    ///
    /// - Throws: `ListenError` if an address cannot be had; what was open before stays.
    func listen(_ settings: AgentSettings, _ reporter: Reporter, metrics endpoint: MetricsEndpoint) async throws {
        try await move(.metrics, to: .init(settings.metricsAddress)) { await endpoint.answer($0) }
        let healthEndpoint = HealthEndpoint(reporter: reporter)
        try await move(.health, to: .init(settings.healthAddress)) { healthEndpoint.answer($0) }
        let controlEndpoint = ControlEndpoint(reporter: reporter)
        try await move(.control, to: .unix(settings.socket)) { controlEndpoint.answer($0) }
        chmod(settings.socket, 0o600)
    }

    private func move(_ role: Role, to address: HTTPServer.Address, _ handler: @escaping HTTPServer.Handler)
        async throws
    {
        let old = servers[role]
        if let old, old.address == address { return }
        do {
            let server = try await HTTPServer.start(on: address, mostAnswers: role.mostAnswers, handler: handler)
            servers[role] = Open(address: address, server: server, handler: handler)
            await close(old)
        } catch {
            // One address may be in the way of another with the same port, as 127.0.0.1 is of 0.0.0.0.
            guard let old, old.address.port == address.port, address.port != nil else { throw error }
            try await replace(old, role, address, handler)
        }
    }

    private func replace(
        _ old: Open, _ role: Role, _ address: HTTPServer.Address, _ handler: @escaping HTTPServer.Handler
    ) async throws {
        await close(old)
        do {
            let server = try await HTTPServer.start(on: address, mostAnswers: role.mostAnswers, handler: handler)
            servers[role] = Open(address: address, server: server, handler: handler)
        } catch {
            servers[role] = nil
            let again = try await HTTPServer.start(
                on: old.address, mostAnswers: role.mostAnswers, handler: old.handler)
            servers[role] = Open(address: old.address, server: again, handler: old.handler)
            throw error
        }
    }

    private func close(_ open: Open?) async {
        await open?.server.stop()
        if case .unix(let path) = open?.address { unlink(path) }
    }

    func stop() async {
        for role in Role.allCases { await close(servers.removeValue(forKey: role)) }
    }
}

extension HTTPServer.Address {
    fileprivate init(_ address: ListenAddress) { self = .tcp("\(address.address)", address.port) }

    fileprivate var port: UInt16? {
        guard case .tcp(_, let port) = self, port != 0 else { return nil }
        return port
    }
}
