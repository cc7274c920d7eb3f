internal import Agent
internal import AgentHTTP
internal import Glibc

/// The sockets on which the agent answers. They outlive a change of the configuration that does not concern them.
actor Servers {
    private struct Open {
        var address: HTTPServer.Address
        var server: HTTPServer
    }

    private var metrics, health, control: Open?

    /// Opens what is not open, and moves what is to be elsewhere.
    ///
    /// - Throws: `ListenError` if an address cannot be had; what was open before stays.
    func listen(_ settings: AgentSettings, _ reporter: Reporter, metrics endpoint: MetricsEndpoint) async throws {
        metrics = try await move(metrics, to: .init(settings.metricsAddress)) { await endpoint.answer($0) }
        let healthEndpoint = HealthEndpoint(reporter: reporter)
        health = try await move(health, to: .init(settings.healthAddress)) { healthEndpoint.answer($0) }
        let controlEndpoint = ControlEndpoint(reporter: reporter)
        control = try await move(control, to: .unix(settings.socket)) { controlEndpoint.answer($0) }
        chmod(settings.socket, 0o600)
    }

    private func move(
        _ open: Open?, to address: HTTPServer.Address, _ handler: @escaping HTTPServer.Handler
    ) async throws -> Open {
        if let open, open.address == address { return open }
        let server = try await HTTPServer.start(on: address, handler: handler)
        await close(open)
        return Open(address: address, server: server)
    }

    private func close(_ open: Open?) async {
        await open?.server.stop()
        if case .unix(let path) = open?.address { unlink(path) }
    }

    func stop() async {
        for open in [metrics, health, control] { await close(open) }
        (metrics, health, control) = (nil, nil, nil)
    }
}

extension HTTPServer.Address {
    fileprivate init(_ address: ListenAddress) { self = .tcp("\(address.address)", address.port) }
}
