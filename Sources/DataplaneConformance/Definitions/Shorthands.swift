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

    /// Services with addresses of their own: number n has 10.96.1.n, and its endpoints follow 10.244.0.0 + n * spacing.
    public static func numbered(_ numbers: ClosedRange<Int>, endpoints count: Int = 3, spacing: Int = 8) -> [Service] {
        numbers.map { number in
            test(
                "s\(number)", clusterIPs: [IPAddress(ipv4: 0x0a60_0100 + UInt32(number))],
                endpoints: (1...count).map { IPAddress(ipv4: 0x0af4_0000 + UInt32(number * spacing + $0)) })
        }
    }
}
