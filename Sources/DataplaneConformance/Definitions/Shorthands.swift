public import NetAddress
public import ServiceModel

/// Text in a test that is known to be an address; anything else ends the program.
extension IPAddress: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) {
        guard let address = IPAddress(text) else { preconditionFailure("\(text) is no address") }
        self = address
    }
}

extension Service {
    /// A service with one port 80 that leads to 8080, unless the closure says otherwise.
    public static func test(
        _ name: String, clusterIPs: [IPAddress] = [], transport: TransportProtocol = .tcp, nodePort: UInt16? = nil,
        endpoints: [IPAddress] = [], _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        var service = Service(name: ServiceName(namespace: "test", name: name))
        service.clusterIPs = clusterIPs
        service.ports = [
            ServicePort(name: "web", transport: transport, port: 80, target: .number(8080), nodePort: nodePort)
        ]
        service.endpoints = endpoints.map { Endpoint(address: $0) }
        change(&service)
        return service
    }
}
